"""What the documents name is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_reasons_lists_the_table():
    """`docs/reasons.md` has a row for each reason of `flashpoint-ir`, in its order and with its words, and no other."""
    table = (ROOT / "crates/flashpoint-ir/src/reason.rs").read_text()
    text = r'"((?:[^"\\]|\\.)*)"'
    reasons = re.findall(rf"^    \w+ = \d+, {text}, {text}, help: {text};", table, re.MULTILINE)
    assert len(reasons) == len(re.findall(r"= \d+, \"FP", table)) > 0
    page = (ROOT / "docs/reasons.md").read_text()
    assert re.findall(r"^\| (FP\d+) \| (.*?) \| (.*?) \|$", page, re.MULTILINE) == reasons


def test_links_lead_somewhere():
    """Every relative link of a document names a file or folder, and a heading where it names one."""
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if target.startswith("http"):
                continue
            path, _, heading = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name} links to {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
                assert heading in [h.lower().replace(" ", "-").replace("`", "") for h in headings], target


def test_state_of_the_self_test_counts_every_defect():
    """`docs/fuzzing.md` says how many defects are planted."""
    table = (ROOT / "crates/flashpoint-ir/src/planted.rs").read_text()
    defects = re.findall(r"^    \w+: \".*\";$", table.split("defects! {", 1)[1], re.MULTILINE)
    assert f"There are {len(defects)} defects" in (ROOT / "docs/fuzzing.md").read_text()

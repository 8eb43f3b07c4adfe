"""Copies a wheel under another platform tag: retag_wheel.py IN.whl OUT.whl.

The tag stands in the file's name and in the WHEEL file, whose checksum stands in RECORD; all three are changed.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path


def main(source: Path, target: Path) -> None:
    old, new = (path.stem.rsplit("-", 1)[1] for path in (source, target))
    target.unlink(missing_ok=True)
    with zipfile.ZipFile(source) as wheel, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        infos = wheel.infolist()
        meta_name = next(info.filename for info in infos if info.filename.endswith(".dist-info/WHEEL"))
        meta = wheel.read(meta_name).decode().replace(f"-{old}\n", f"-{new}\n").encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(meta).digest()).rstrip(b"=").decode()
        for info in infos:
            data = wheel.read(info)
            if info.filename == meta_name:
                data = meta
            elif info.filename.endswith(".dist-info/RECORD"):
                lines = [
                    f"{meta_name},sha256={digest},{len(meta)}" if line.startswith(f"{meta_name},") else line
                    for line in data.decode().splitlines()
                ]
                data = ("\n".join(lines) + "\n").encode()
            out.writestr(info, data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

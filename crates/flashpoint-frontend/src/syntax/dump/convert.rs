//! Nodes of the text to [`crate::syntax`], class by class.

use super::*;

type Convert<T> = Result<T, DumpError>;

fn wrong(what: impl Into<String>) -> DumpError {
    DumpError { what: what.into(), at: 0 }
}

/// The statements of a `Module`.
pub(super) fn module(node: &Node) -> Convert<Vec<Stmt>> {
    if node.class() != "Module" {
        return Err(wrong("the tree is no `Module`"));
    }
    node.stmts("body")
}

impl Node {
    fn class(&self) -> &str {
        match self {
            Node::Call { class, .. } => class,
            _ => "",
        }
    }

    /// A field that is there and not `None`.
    fn get(&self, field: &str) -> Option<&Node> {
        let Node::Call { fields, .. } = self else { return None };
        let found = fields.iter().find(|(name, _)| name == field).map(|(_, node)| node);
        found.filter(|node| **node != Node::Literal(Const::None))
    }

    fn need(&self, field: &str) -> Convert<&Node> {
        self.get(field).ok_or_else(|| wrong(format!("`{}` has no `{field}`", self.class())))
    }

    fn items(&self, field: &str) -> &[Node] {
        match self.get(field) {
            Some(Node::List(items)) => items,
            _ => &[],
        }
    }

    fn each<T>(&self, field: &str, convert: impl Fn(&Node) -> Convert<T>) -> Convert<Vec<T>> {
        self.items(field).iter().map(convert).collect()
    }

    fn text(&self, field: &str) -> Option<String> {
        match self.get(field) {
            Some(Node::Literal(Const::Str(text))) => Some(text.clone()),
            _ => None,
        }
    }

    fn identifier(&self, field: &str) -> Convert<String> {
        self.text(field).ok_or_else(|| wrong(format!("`{}` has no `{field}`", self.class())))
    }

    fn identifiers(&self, field: &str) -> Convert<Vec<String>> {
        self.each(field, |node| match node {
            Node::Literal(Const::Str(text)) => Ok(text.clone()),
            _ => Err(wrong("an identifier is no string")),
        })
    }

    fn int(&self, field: &str) -> i64 {
        match self.get(field) {
            Some(Node::Literal(Const::Int(value))) => *value,
            _ => 0,
        }
    }

    fn span(&self) -> Span {
        let number = |field| self.int(field) as u32;
        Span {
            line: number("lineno"),
            col: number("col_offset"),
            end_line: number("end_lineno"),
            end_col: number("end_col_offset"),
        }
    }

    fn stmts(&self, field: &str) -> Convert<Vec<Stmt>> {
        self.each(field, stmt)
    }

    fn exprs(&self, field: &str) -> Convert<Vec<Expr>> {
        self.each(field, expr)
    }

    fn expr(&self, field: &str) -> Convert<Expr> {
        expr(self.need(field)?)
    }

    fn boxed(&self, field: &str) -> Convert<Box<Expr>> {
        self.expr(field).map(Box::new)
    }

    fn optional(&self, field: &str) -> Convert<Option<Expr>> {
        self.get(field).map(expr).transpose()
    }

    fn optional_boxed(&self, field: &str) -> Convert<Option<Box<Expr>>> {
        Ok(self.optional(field)?.map(Box::new))
    }

    fn operator<T>(&self, field: &str, by_name: impl Fn(&str) -> Option<T>) -> Convert<T> {
        let class = self.need(field)?.class();
        by_name(class).ok_or_else(|| wrong(format!("`{class}` is no operator")))
    }
}

fn stmt(node: &Node) -> Convert<Stmt> {
    let kind = match node.class() {
        "FunctionDef" => StmtKind::FunctionDef(Box::new(function_def(node)?)),
        "AsyncFunctionDef" => StmtKind::AsyncFunctionDef(Box::new(function_def(node)?)),
        "ClassDef" => StmtKind::ClassDef(Box::new(ClassDef {
            name: node.identifier("name")?,
            bases: node.exprs("bases")?,
            keywords: node.each("keywords", keyword)?,
            body: node.stmts("body")?,
            decorator_list: node.exprs("decorator_list")?,
        })),
        "Return" => StmtKind::Return { value: node.optional("value")? },
        "Delete" => StmtKind::Delete { targets: node.exprs("targets")? },
        "Assign" => StmtKind::Assign { targets: node.exprs("targets")?, value: node.expr("value")? },
        "TypeAlias" => StmtKind::TypeAlias { name: node.expr("name")?, value: node.expr("value")? },
        "AugAssign" => StmtKind::AugAssign {
            target: node.expr("target")?,
            op: node.operator("op", binary_op)?,
            value: node.expr("value")?,
        },
        "AnnAssign" => StmtKind::AnnAssign {
            target: node.expr("target")?,
            annotation: node.expr("annotation")?,
            value: node.optional("value")?,
            simple: node.int("simple") != 0,
        },
        "For" | "AsyncFor" => {
            let (target, iter) = (node.expr("target")?, node.expr("iter")?);
            let (body, orelse) = (node.stmts("body")?, node.stmts("orelse")?);
            match node.class() {
                "For" => StmtKind::For { target, iter, body, orelse },
                _ => StmtKind::AsyncFor { target, iter, body, orelse },
            }
        }
        "While" => {
            StmtKind::While { test: node.expr("test")?, body: node.stmts("body")?, orelse: node.stmts("orelse")? }
        }
        "If" => StmtKind::If { test: node.expr("test")?, body: node.stmts("body")?, orelse: node.stmts("orelse")? },
        "With" | "AsyncWith" => {
            let item = |item: &Node| {
                Ok(WithItem {
                    context_expr: item.expr("context_expr")?,
                    optional_vars: item.optional("optional_vars")?,
                })
            };
            let (items, body) = (node.each("items", item)?, node.stmts("body")?);
            match node.class() {
                "With" => StmtKind::With { items, body },
                _ => StmtKind::AsyncWith { items, body },
            }
        }
        "Match" => StmtKind::Match {
            subject: node.expr("subject")?,
            cases: node.each("cases", |case| {
                Ok(MatchCase {
                    pattern: pattern(case.need("pattern")?)?,
                    guard: case.optional("guard")?,
                    body: case.stmts("body")?,
                })
            })?,
        },
        "Raise" => StmtKind::Raise { exc: node.optional("exc")?, cause: node.optional("cause")? },
        "Try" | "TryStar" => {
            let (body, handlers) = (node.stmts("body")?, node.each("handlers", handler)?);
            let (orelse, finalbody) = (node.stmts("orelse")?, node.stmts("finalbody")?);
            match node.class() {
                "Try" => StmtKind::Try { body, handlers, orelse, finalbody },
                _ => StmtKind::TryStar { body, handlers, orelse, finalbody },
            }
        }
        "Assert" => StmtKind::Assert { test: node.expr("test")?, msg: node.optional("msg")? },
        "Import" => StmtKind::Import { names: node.each("names", alias)? },
        "ImportFrom" => StmtKind::ImportFrom {
            module: node.text("module"),
            names: node.each("names", alias)?,
            level: node.int("level") as u32,
        },
        "Global" => StmtKind::Global { names: node.identifiers("names")? },
        "Nonlocal" => StmtKind::Nonlocal { names: node.identifiers("names")? },
        "Expr" => StmtKind::Expr { value: node.expr("value")? },
        "Pass" => StmtKind::Pass,
        "Break" => StmtKind::Break,
        "Continue" => StmtKind::Continue,
        other => StmtKind::Unknown { kind: other.to_owned() },
    };
    Ok(Stmt { span: node.span(), kind })
}

fn function_def(node: &Node) -> Convert<FunctionDef> {
    Ok(FunctionDef {
        span: node.span(),
        name: node.identifier("name")?,
        args: arguments(node.need("args")?)?,
        body: node.stmts("body")?,
        decorator_list: node.exprs("decorator_list")?,
        returns: node.optional("returns")?,
        has_type_params: !node.items("type_params").is_empty(),
    })
}

fn arguments(node: &Node) -> Convert<Arguments> {
    let argument = |node: &Node| {
        Ok(Argument { span: node.span(), arg: node.identifier("arg")?, annotation: node.optional("annotation")? })
    };
    Ok(Arguments {
        posonlyargs: node.each("posonlyargs", argument)?,
        args: node.each("args", argument)?,
        vararg: node.get("vararg").map(argument).transpose()?,
        kwonlyargs: node.each("kwonlyargs", argument)?,
        kw_defaults: node.each("kw_defaults", optional_item)?,
        kwarg: node.get("kwarg").map(argument).transpose()?,
        defaults: node.exprs("defaults")?,
    })
}

/// An item of a list that may be `None`.
fn optional_item(node: &Node) -> Convert<Option<Expr>> {
    if *node == Node::Literal(Const::None) { Ok(None) } else { expr(node).map(Some) }
}

fn keyword(node: &Node) -> Convert<Keyword> {
    Ok(Keyword { span: node.span(), arg: node.text("arg"), value: node.expr("value")? })
}

fn alias(node: &Node) -> Convert<Alias> {
    Ok(Alias { span: node.span(), name: node.identifier("name")?, asname: node.text("asname") })
}

fn handler(node: &Node) -> Convert<ExceptHandler> {
    Ok(ExceptHandler {
        span: node.span(),
        r#type: node.optional("type")?,
        name: node.text("name"),
        body: node.stmts("body")?,
    })
}

fn comprehension(node: &Node) -> Convert<Comprehension> {
    Ok(Comprehension {
        target: node.expr("target")?,
        iter: node.expr("iter")?,
        ifs: node.exprs("ifs")?,
        is_async: node.int("is_async") != 0,
    })
}

fn constant(node: Option<&Node>) -> Convert<Const> {
    match node {
        None => Ok(Const::None),
        Some(Node::Literal(value)) => Ok(value.clone()),
        Some(other) => Err(wrong(format!("`{}` is no constant", other.class()))),
    }
}

fn expr(node: &Node) -> Convert<Expr> {
    let generators = || node.each("generators", comprehension);
    let kind = match node.class() {
        "BoolOp" => ExprKind::BoolOp { op: node.operator("op", bool_op)?, values: node.exprs("values")? },
        "NamedExpr" => ExprKind::NamedExpr { target: node.boxed("target")?, value: node.boxed("value")? },
        "BinOp" => ExprKind::BinOp {
            left: node.boxed("left")?,
            op: node.operator("op", binary_op)?,
            right: node.boxed("right")?,
        },
        "UnaryOp" => ExprKind::UnaryOp { op: node.operator("op", unary_op)?, operand: node.boxed("operand")? },
        "Lambda" => ExprKind::Lambda(Box::new(Lambda {
            span: node.span(),
            args: arguments(node.need("args")?)?,
            body: node.expr("body")?,
        })),
        "IfExp" => {
            ExprKind::IfExp { test: node.boxed("test")?, body: node.boxed("body")?, orelse: node.boxed("orelse")? }
        }
        "Dict" => ExprKind::Dict { keys: node.each("keys", optional_item)?, values: node.exprs("values")? },
        "Set" => ExprKind::Set { elts: node.exprs("elts")? },
        "ListComp" => ExprKind::ListComp { elt: node.boxed("elt")?, generators: generators()? },
        "SetComp" => ExprKind::SetComp { elt: node.boxed("elt")?, generators: generators()? },
        "GeneratorExp" => ExprKind::GeneratorExp { elt: node.boxed("elt")?, generators: generators()? },
        "DictComp" => {
            ExprKind::DictComp { key: node.boxed("key")?, value: node.boxed("value")?, generators: generators()? }
        }
        "Await" => ExprKind::Await { value: node.boxed("value")? },
        "Yield" => ExprKind::Yield { value: node.optional_boxed("value")? },
        "YieldFrom" => ExprKind::YieldFrom { value: node.boxed("value")? },
        "Compare" => ExprKind::Compare {
            left: node.boxed("left")?,
            ops: node.each("ops", |op| compare_op(op.class()).ok_or_else(|| wrong("no comparison")))?,
            comparators: node.exprs("comparators")?,
        },
        "Call" => ExprKind::Call {
            func: node.boxed("func")?,
            args: node.exprs("args")?,
            keywords: node.each("keywords", keyword)?,
        },
        "FormattedValue" => ExprKind::FormattedValue {
            value: node.boxed("value")?,
            conversion: node.int("conversion") as i32,
            format_spec: node.optional_boxed("format_spec")?,
        },
        "JoinedStr" => ExprKind::JoinedStr { values: node.exprs("values")? },
        "Constant" => ExprKind::Constant { value: constant(node.get("value"))? },
        "Attribute" => ExprKind::Attribute { value: node.boxed("value")?, attr: node.identifier("attr")? },
        "Subscript" => ExprKind::Subscript { value: node.boxed("value")?, slice: node.boxed("slice")? },
        "Starred" => ExprKind::Starred { value: node.boxed("value")? },
        "Name" => ExprKind::Name { id: node.identifier("id")? },
        "List" => ExprKind::List { elts: node.exprs("elts")? },
        "Tuple" => ExprKind::Tuple { elts: node.exprs("elts")? },
        "Slice" => ExprKind::Slice {
            lower: node.optional_boxed("lower")?,
            upper: node.optional_boxed("upper")?,
            step: node.optional_boxed("step")?,
        },
        "" => return Err(wrong("an expression is missing")),
        other => ExprKind::Unknown { kind: other.to_owned() },
    };
    Ok(Expr { span: node.span(), kind })
}

fn pattern(node: &Node) -> Convert<Pattern> {
    let patterns = |field| node.each(field, pattern);
    let kind = match node.class() {
        "MatchValue" => PatternKind::MatchValue { value: node.expr("value")? },
        "MatchSingleton" => PatternKind::MatchSingleton { value: constant(node.get("value"))? },
        "MatchSequence" => PatternKind::MatchSequence { patterns: patterns("patterns")? },
        "MatchMapping" => PatternKind::MatchMapping {
            keys: node.exprs("keys")?,
            patterns: patterns("patterns")?,
            rest: node.text("rest"),
        },
        "MatchClass" => PatternKind::MatchClass {
            cls: node.expr("cls")?,
            patterns: patterns("patterns")?,
            kwd_attrs: node.identifiers("kwd_attrs")?,
            kwd_patterns: patterns("kwd_patterns")?,
        },
        "MatchStar" => PatternKind::MatchStar { name: node.text("name") },
        "MatchAs" => PatternKind::MatchAs {
            pattern: node.get("pattern").map(|node| pattern(node).map(Box::new)).transpose()?,
            name: node.text("name"),
        },
        "MatchOr" => PatternKind::MatchOr { patterns: patterns("patterns")? },
        other => PatternKind::Unknown { kind: other.to_owned() },
    };
    Ok(Pattern { span: node.span(), kind })
}

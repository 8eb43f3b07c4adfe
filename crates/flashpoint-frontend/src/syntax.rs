//! Python's syntax tree as plain data: what Python's own `ast` module says about everything inside a function.
//!
//! Variants and fields are named as in the grammar of `ast` (its ASDL), so that a converter is a table. Differences:
//! - every `Stmt`, `Expr` and `Pattern` is a struct of a `span` and a `kind`;
//! - operators are those of [`flashpoint_ir::generic`] (see [`binary_op`], [`unary_op`], [`compare_op`]);
//! - `expr_context` is left out: it follows from where an expression stands;
//! - a node this module does not know is kept as `Unknown`, and refused only where it would be compiled.
//!
//! Identifiers are as `ast` gives them: NFKC-normalised, private names not yet mangled.
//! This module knows nothing of Python as a process: its trees can be built by hand.

use flashpoint_ir::generic::{BinOp, CmpOp, Const, Span, UnOp};

pub mod dump;

/// An identifier.
pub type Identifier = String;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: StmtKind,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// A pattern of a `match` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: PatternKind,
}

/// `stmt` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum StmtKind {
    FunctionDef(Box<FunctionDef>),
    AsyncFunctionDef(Box<FunctionDef>),
    ClassDef(Box<ClassDef>),
    Return {
        value: Option<Expr>,
    },
    Delete {
        targets: Vec<Expr>,
    },
    Assign {
        targets: Vec<Expr>,
        value: Expr,
    },
    /// `type X = ...` (3.12).
    TypeAlias {
        name: Expr,
        value: Expr,
    },
    AugAssign {
        target: Expr,
        op: BinOp,
        value: Expr,
    },
    /// `simple` is whether the target is a name without parentheses.
    AnnAssign {
        target: Expr,
        annotation: Expr,
        value: Option<Expr>,
        simple: bool,
    },
    For {
        target: Expr,
        iter: Expr,
        body: Vec<Stmt>,
        orelse: Vec<Stmt>,
    },
    AsyncFor {
        target: Expr,
        iter: Expr,
        body: Vec<Stmt>,
        orelse: Vec<Stmt>,
    },
    While {
        test: Expr,
        body: Vec<Stmt>,
        orelse: Vec<Stmt>,
    },
    If {
        test: Expr,
        body: Vec<Stmt>,
        orelse: Vec<Stmt>,
    },
    With {
        items: Vec<WithItem>,
        body: Vec<Stmt>,
    },
    AsyncWith {
        items: Vec<WithItem>,
        body: Vec<Stmt>,
    },
    Match {
        subject: Expr,
        cases: Vec<MatchCase>,
    },
    Raise {
        exc: Option<Expr>,
        cause: Option<Expr>,
    },
    Try {
        body: Vec<Stmt>,
        handlers: Vec<ExceptHandler>,
        orelse: Vec<Stmt>,
        finalbody: Vec<Stmt>,
    },
    TryStar {
        body: Vec<Stmt>,
        handlers: Vec<ExceptHandler>,
        orelse: Vec<Stmt>,
        finalbody: Vec<Stmt>,
    },
    Assert {
        test: Expr,
        msg: Option<Expr>,
    },
    Import {
        names: Vec<Alias>,
    },
    ImportFrom {
        module: Option<Identifier>,
        names: Vec<Alias>,
        level: u32,
    },
    Global {
        names: Vec<Identifier>,
    },
    Nonlocal {
        names: Vec<Identifier>,
    },
    Expr {
        value: Expr,
    },
    Pass,
    Break,
    Continue,
    Unknown {
        kind: String,
    },
}

/// A `def` or `async def`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct FunctionDef {
    /// Where the whole `def` stands; `line` is the line of the `def` itself, below its decorators.
    pub span: Span,
    pub name: Identifier,
    pub args: Arguments,
    pub body: Vec<Stmt>,
    pub decorator_list: Vec<Expr>,
    pub returns: Option<Expr>,
    /// Whether the `def` has type parameters (`def f[T](...)`, 3.12); they are not kept.
    pub has_type_params: bool,
}

/// A `lambda`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Lambda {
    pub span: Span,
    pub args: Arguments,
    pub body: Expr,
}

/// A class statement. The body is kept so that names in it can be resolved; it is not compiled.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ClassDef {
    pub name: Identifier,
    pub bases: Vec<Expr>,
    pub keywords: Vec<Keyword>,
    pub body: Vec<Stmt>,
    pub decorator_list: Vec<Expr>,
}

/// `expr` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    BoolOp {
        op: BoolOp,
        values: Vec<Expr>,
    },
    NamedExpr {
        target: Box<Expr>,
        value: Box<Expr>,
    },
    BinOp {
        left: Box<Expr>,
        op: BinOp,
        right: Box<Expr>,
    },
    UnaryOp {
        op: UnOp,
        operand: Box<Expr>,
    },
    Lambda(Box<Lambda>),
    IfExp {
        test: Box<Expr>,
        body: Box<Expr>,
        orelse: Box<Expr>,
    },
    /// A missing key stands for `**value`.
    Dict {
        keys: Vec<Option<Expr>>,
        values: Vec<Expr>,
    },
    Set {
        elts: Vec<Expr>,
    },
    ListComp {
        elt: Box<Expr>,
        generators: Vec<Comprehension>,
    },
    SetComp {
        elt: Box<Expr>,
        generators: Vec<Comprehension>,
    },
    DictComp {
        key: Box<Expr>,
        value: Box<Expr>,
        generators: Vec<Comprehension>,
    },
    GeneratorExp {
        elt: Box<Expr>,
        generators: Vec<Comprehension>,
    },
    Await {
        value: Box<Expr>,
    },
    Yield {
        value: Option<Box<Expr>>,
    },
    YieldFrom {
        value: Box<Expr>,
    },
    Compare {
        left: Box<Expr>,
        ops: Vec<CmpOp>,
        comparators: Vec<Expr>,
    },
    Call {
        func: Box<Expr>,
        args: Vec<Expr>,
        keywords: Vec<Keyword>,
    },
    /// `conversion` as in `ast`: -1, or the character code of `s`, `r` or `a`. `format_spec` is a `JoinedStr`.
    FormattedValue {
        value: Box<Expr>,
        conversion: i32,
        format_spec: Option<Box<Expr>>,
    },
    JoinedStr {
        values: Vec<Expr>,
    },
    Constant {
        value: Const,
    },
    Attribute {
        value: Box<Expr>,
        attr: Identifier,
    },
    Subscript {
        value: Box<Expr>,
        slice: Box<Expr>,
    },
    Starred {
        value: Box<Expr>,
    },
    Name {
        id: Identifier,
    },
    List {
        elts: Vec<Expr>,
    },
    Tuple {
        elts: Vec<Expr>,
    },
    Slice {
        lower: Option<Box<Expr>>,
        upper: Option<Box<Expr>>,
        step: Option<Box<Expr>>,
    },
    Unknown {
        kind: String,
    },
}

/// `and`, `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BoolOp {
    And,
    Or,
}

/// `pattern` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum PatternKind {
    MatchValue { value: Expr },
    MatchSingleton { value: Const },
    MatchSequence { patterns: Vec<Pattern> },
    MatchMapping { keys: Vec<Expr>, patterns: Vec<Pattern>, rest: Option<Identifier> },
    MatchClass { cls: Expr, patterns: Vec<Pattern>, kwd_attrs: Vec<Identifier>, kwd_patterns: Vec<Pattern> },
    MatchStar { name: Option<Identifier> },
    MatchAs { pattern: Option<Box<Pattern>>, name: Option<Identifier> },
    MatchOr { patterns: Vec<Pattern> },
    Unknown { kind: String },
}

/// `arguments` of the grammar.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Arguments {
    pub posonlyargs: Vec<Argument>,
    pub args: Vec<Argument>,
    pub vararg: Option<Argument>,
    pub kwonlyargs: Vec<Argument>,
    /// As long as `kwonlyargs`; missing where there is no default.
    pub kw_defaults: Vec<Option<Expr>>,
    pub kwarg: Option<Argument>,
    /// Of the last positional parameters.
    pub defaults: Vec<Expr>,
}

/// `arg` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Argument {
    pub span: Span,
    pub arg: Identifier,
    pub annotation: Option<Expr>,
}

/// `keyword` of the grammar; without a name it is `**value`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Keyword {
    pub span: Span,
    pub arg: Option<Identifier>,
    pub value: Expr,
}

/// `comprehension` of the grammar: one `for ... in ... if ...`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Comprehension {
    pub target: Expr,
    pub iter: Expr,
    pub ifs: Vec<Expr>,
    pub is_async: bool,
}

/// `excepthandler` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ExceptHandler {
    pub span: Span,
    pub r#type: Option<Expr>,
    pub name: Option<Identifier>,
    pub body: Vec<Stmt>,
}

/// `withitem` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct WithItem {
    pub context_expr: Expr,
    pub optional_vars: Option<Expr>,
}

/// `match_case` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct MatchCase {
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    pub body: Vec<Stmt>,
}

/// `alias` of the grammar.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Alias {
    pub span: Span,
    pub name: Identifier,
    pub asname: Option<Identifier>,
}

/// What a code object can come from.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum FunctionSource<'a> {
    FunctionDef(&'a FunctionDef),
    AsyncFunctionDef(&'a FunctionDef),
    Lambda(&'a Lambda),
}

impl<'a> FunctionSource<'a> {
    /// The parameters.
    pub fn args(self) -> &'a Arguments {
        match self {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => &def.args,
            FunctionSource::Lambda(lambda) => &lambda.args,
        }
    }

    /// `co_name`.
    pub fn name(self) -> &'a str {
        match self {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => &def.name,
            FunctionSource::Lambda(_) => "<lambda>",
        }
    }

    /// Where the `def` or `lambda` stands.
    pub fn span(self) -> Span {
        match self {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => def.span,
            FunctionSource::Lambda(lambda) => lambda.span,
        }
    }

    /// `co_firstlineno`: the line of the first decorator, if there is one.
    pub fn first_line(self) -> u32 {
        match self {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => def.first_line(),
            FunctionSource::Lambda(lambda) => lambda.span.line,
        }
    }
}

impl FunctionDef {
    /// `co_firstlineno`: the line of the first decorator, if there is one.
    pub fn first_line(&self) -> u32 {
        self.decorator_list.first().map_or(self.span.line, |decorator| decorator.span.line)
    }
}

impl Arguments {
    /// All parameters in the order of `co_varnames`.
    pub fn in_slot_order(&self) -> impl Iterator<Item = &Argument> {
        let positional = self.posonlyargs.iter().chain(&self.args);
        positional.chain(&self.kwonlyargs).chain(&self.vararg).chain(&self.kwarg)
    }
}

/// The binary operator whose class in `ast` has this name.
pub fn binary_op(name: &str) -> Option<BinOp> {
    Some(match name {
        "Add" => BinOp::Add,
        "Sub" => BinOp::Sub,
        "Mult" => BinOp::Mul,
        "MatMult" => BinOp::MatMul,
        "Div" => BinOp::TrueDiv,
        "Mod" => BinOp::Mod,
        "Pow" => BinOp::Pow,
        "LShift" => BinOp::LShift,
        "RShift" => BinOp::RShift,
        "BitOr" => BinOp::Or,
        "BitXor" => BinOp::Xor,
        "BitAnd" => BinOp::And,
        "FloorDiv" => BinOp::FloorDiv,
        _ => return None,
    })
}

/// The unary operator whose class in `ast` has this name.
pub fn unary_op(name: &str) -> Option<UnOp> {
    Some(match name {
        "Invert" => UnOp::Invert,
        "Not" => UnOp::Not,
        "UAdd" => UnOp::Pos,
        "USub" => UnOp::Neg,
        _ => return None,
    })
}

/// The comparison operator whose class in `ast` has this name.
pub fn compare_op(name: &str) -> Option<CmpOp> {
    Some(match name {
        "Eq" => CmpOp::Eq,
        "NotEq" => CmpOp::Ne,
        "Lt" => CmpOp::Lt,
        "LtE" => CmpOp::Le,
        "Gt" => CmpOp::Gt,
        "GtE" => CmpOp::Ge,
        "Is" => CmpOp::Is,
        "IsNot" => CmpOp::IsNot,
        "In" => CmpOp::In,
        "NotIn" => CmpOp::NotIn,
        _ => return None,
    })
}

/// The boolean operator whose class in `ast` has this name.
pub fn bool_op(name: &str) -> Option<BoolOp> {
    match name {
        "And" => Some(BoolOp::And),
        "Or" => Some(BoolOp::Or),
        _ => None,
    }
}

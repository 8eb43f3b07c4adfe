//! Walks a function and notes, per scope, which names are bound, declared and used.

use std::collections::{HashMap, HashSet};

use flashpoint_ir::generic::Span;

use super::{ScopeKind, mangle, node_key};
use crate::syntax::*;

/// What the source says about a scope, before names are resolved.
#[derive(Debug)]
pub(super) struct RawScope {
    pub kind: ScopeKind,
    /// Every name, in order of appearance.
    pub names: Vec<String>,
    pub params: Vec<String>,
    pub bound: HashSet<String>,
    pub globals: HashSet<String>,
    pub nonlocals: HashSet<String>,
    pub walrus: HashSet<String>,
    pub suspends: Option<Span>,
    pub private: Option<String>,
    pub children: Vec<usize>,
    known: HashSet<String>,
}

impl Default for RawScope {
    fn default() -> Self {
        RawScope {
            kind: ScopeKind::Function,
            names: Vec::new(),
            params: Vec::new(),
            bound: HashSet::new(),
            globals: HashSet::new(),
            nonlocals: HashSet::new(),
            walrus: HashSet::new(),
            suspends: None,
            private: None,
            children: Vec::new(),
            known: HashSet::new(),
        }
    }
}

impl RawScope {
    fn note(&mut self, name: &str) {
        if self.known.insert(name.to_owned()) {
            self.names.push(name.to_owned());
        }
    }
}

/// The walk; `stack` is the path of scopes to the one being walked.
pub(super) struct Collector {
    pub scopes: Vec<RawScope>,
    pub by_node: HashMap<usize, usize>,
    stack: Vec<usize>,
}

impl Collector {
    pub fn run(source: FunctionSource<'_>, private: Option<&str>) -> Collector {
        let mut this = Collector { scopes: Vec::new(), by_node: HashMap::new(), stack: Vec::new() };
        match source {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => {
                this.push(node_key(def), ScopeKind::Function, private.map(str::to_owned));
                this.params(&def.args);
                this.stmts(&def.body);
            }
            FunctionSource::Lambda(lambda) => {
                this.push(node_key(lambda), ScopeKind::Function, private.map(str::to_owned));
                this.params(&lambda.args);
                this.expr(&lambda.body);
            }
        }
        this
    }

    fn push(&mut self, key: usize, kind: ScopeKind, private: Option<String>) {
        let idx = self.scopes.len();
        self.scopes.push(RawScope { kind, private, ..RawScope::default() });
        if let Some(&parent) = self.stack.last() {
            self.scopes[parent].children.push(idx);
        }
        self.by_node.insert(key, idx);
        self.stack.push(idx);
    }

    fn pop(&mut self) {
        self.stack.pop();
    }

    fn scope(&mut self) -> &mut RawScope {
        let top = self.stack.last().copied().unwrap_or(0);
        &mut self.scopes[top]
    }

    fn private(&mut self) -> Option<String> {
        self.scope().private.clone()
    }

    fn mangled(&mut self, name: &str) -> String {
        let scope = self.scope();
        mangle(scope.private.as_deref(), name).into_owned()
    }

    fn bind(&mut self, name: &str) {
        let name = self.mangled(name);
        let scope = self.scope();
        scope.note(&name);
        scope.bound.insert(name);
    }

    fn use_name(&mut self, name: &str) {
        let name = self.mangled(name);
        let scope = self.scope();
        scope.note(&name);
        if name == "super" && scope.kind != ScopeKind::Class {
            scope.note("__class__");
        }
    }

    /// A walrus binds in the innermost scope that is no comprehension.
    fn bind_walrus(&mut self, name: &str) {
        let name = self.mangled(name);
        for &idx in self.stack.iter().rev() {
            let scope = &mut self.scopes[idx];
            scope.note(&name);
            if scope.kind != ScopeKind::Comprehension {
                scope.bound.insert(name.clone());
                scope.walrus.insert(name);
                return;
            }
            scope.nonlocals.insert(name.clone());
        }
    }

    fn params(&mut self, args: &Arguments) {
        for arg in args.in_slot_order() {
            self.bind(&arg.arg);
            let name = self.mangled(&arg.arg);
            self.scope().params.push(name);
        }
    }

    /// What a nested function evaluates in the scope around it.
    fn outer_parts(&mut self, args: &Arguments, returns: Option<&Expr>) {
        args.defaults.iter().for_each(|e| self.expr(e));
        args.kw_defaults.iter().flatten().for_each(|e| self.expr(e));
        args.in_slot_order().filter_map(|arg| arg.annotation.as_ref()).for_each(|e| self.expr(e));
        returns.into_iter().for_each(|e| self.expr(e));
    }

    fn function(&mut self, def: &FunctionDef) {
        self.bind(&def.name);
        def.decorator_list.iter().for_each(|e| self.expr(e));
        self.outer_parts(&def.args, def.returns.as_ref());
        let private = self.private();
        self.push(node_key(def), ScopeKind::Function, private);
        self.params(&def.args);
        self.stmts(&def.body);
        self.pop();
    }

    fn class(&mut self, class: &ClassDef) {
        self.bind(&class.name);
        class.decorator_list.iter().for_each(|e| self.expr(e));
        class.bases.iter().for_each(|e| self.expr(e));
        class.keywords.iter().for_each(|k| self.expr(&k.value));
        self.push(node_key(class), ScopeKind::Class, Some(class.name.clone()));
        self.stmts(&class.body);
        self.pop();
    }

    fn comprehension(&mut self, node: &Expr, elts: &[&Expr], generators: &[Comprehension]) {
        let Some(first) = generators.first() else { return };
        self.expr(&first.iter);
        let private = self.private();
        self.push(node_key(node), ScopeKind::Comprehension, private);
        self.bind(".0");
        self.scope().params.push(".0".into());
        for (idx, generator) in generators.iter().enumerate() {
            if idx > 0 {
                self.expr(&generator.iter);
            }
            self.target(&generator.target);
            generator.ifs.iter().for_each(|e| self.expr(e));
            if generator.is_async {
                self.scope().suspends.get_or_insert(node.span);
            }
        }
        elts.iter().for_each(|e| self.expr(e));
        self.pop();
    }

    fn stmts(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::FunctionDef(def) | StmtKind::AsyncFunctionDef(def) => self.function(def),
            StmtKind::ClassDef(class) => self.class(class),
            StmtKind::Return { value } => value.iter().for_each(|e| self.expr(e)),
            StmtKind::Delete { targets } => targets.iter().for_each(|e| self.target(e)),
            StmtKind::Assign { targets, value } => {
                self.expr(value);
                targets.iter().for_each(|e| self.target(e));
            }
            StmtKind::TypeAlias { name, .. } => self.target(name),
            StmtKind::AugAssign { target, value, .. } => {
                self.target(target);
                self.expr(value);
            }
            StmtKind::AnnAssign { target, annotation, value, .. } => {
                self.target(target);
                // Not evaluated in a function, but its names count.
                self.expr(annotation);
                value.iter().for_each(|e| self.expr(e));
            }
            StmtKind::For { target, iter, body, orelse } | StmtKind::AsyncFor { target, iter, body, orelse } => {
                self.target(target);
                self.expr(iter);
                self.stmts(body);
                self.stmts(orelse);
            }
            StmtKind::While { test, body, orelse } | StmtKind::If { test, body, orelse } => {
                self.expr(test);
                self.stmts(body);
                self.stmts(orelse);
            }
            StmtKind::With { items, body } | StmtKind::AsyncWith { items, body } => {
                for item in items {
                    self.expr(&item.context_expr);
                    item.optional_vars.iter().for_each(|e| self.target(e));
                }
                self.stmts(body);
            }
            StmtKind::Match { subject, cases } => {
                self.expr(subject);
                for case in cases {
                    self.pattern(&case.pattern);
                    case.guard.iter().for_each(|e| self.expr(e));
                    self.stmts(&case.body);
                }
            }
            StmtKind::Raise { exc, cause } => exc.iter().chain(cause).for_each(|e| self.expr(e)),
            StmtKind::Try { body, handlers, orelse, finalbody }
            | StmtKind::TryStar { body, handlers, orelse, finalbody } => {
                self.stmts(body);
                self.stmts(orelse);
                for handler in handlers {
                    handler.r#type.iter().for_each(|e| self.expr(e));
                    handler.name.iter().for_each(|name| self.bind(name));
                    self.stmts(&handler.body);
                }
                self.stmts(finalbody);
            }
            StmtKind::Assert { test, msg } => {
                self.expr(test);
                msg.iter().for_each(|e| self.expr(e));
            }
            StmtKind::Import { names } | StmtKind::ImportFrom { names, .. } => {
                for alias in names {
                    let bound = alias.asname.as_deref().or_else(|| alias.name.split('.').next());
                    bound.into_iter().for_each(|name| self.bind(name));
                }
            }
            StmtKind::Global { names } => {
                for name in names {
                    let name = self.mangled(name);
                    self.scope().note(&name);
                    self.scope().globals.insert(name);
                }
            }
            StmtKind::Nonlocal { names } => {
                for name in names {
                    let name = self.mangled(name);
                    self.scope().note(&name);
                    self.scope().nonlocals.insert(name);
                }
            }
            StmtKind::Expr { value } => self.expr(value),
            StmtKind::Pass | StmtKind::Break | StmtKind::Continue | StmtKind::Unknown { .. } => {}
        }
    }

    fn target(&mut self, target: &Expr) {
        match &target.kind {
            ExprKind::Name { id } => self.bind(id),
            ExprKind::Tuple { elts } | ExprKind::List { elts } => elts.iter().for_each(|e| self.target(e)),
            ExprKind::Starred { value } => self.target(value),
            _ => self.expr(target),
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::MatchValue { value } => self.expr(value),
            PatternKind::MatchSingleton { .. } | PatternKind::Unknown { .. } => {}
            PatternKind::MatchSequence { patterns } | PatternKind::MatchOr { patterns } => {
                patterns.iter().for_each(|p| self.pattern(p));
            }
            PatternKind::MatchMapping { keys, patterns, rest } => {
                keys.iter().for_each(|e| self.expr(e));
                patterns.iter().for_each(|p| self.pattern(p));
                rest.iter().for_each(|name| self.bind(name));
            }
            PatternKind::MatchClass { cls, patterns, kwd_patterns, .. } => {
                self.expr(cls);
                patterns.iter().chain(kwd_patterns).for_each(|p| self.pattern(p));
            }
            PatternKind::MatchStar { name } => name.iter().for_each(|name| self.bind(name)),
            PatternKind::MatchAs { pattern, name } => {
                pattern.iter().for_each(|p| self.pattern(p));
                name.iter().for_each(|name| self.bind(name));
            }
        }
    }

    fn exprs(&mut self, list: &[Expr]) {
        list.iter().for_each(|e| self.expr(e));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name { id } => self.use_name(id),
            ExprKind::NamedExpr { target, value } => {
                self.expr(value);
                match &target.kind {
                    ExprKind::Name { id } => self.bind_walrus(id),
                    _ => self.target(target),
                }
            }
            ExprKind::Lambda(lambda) => {
                self.outer_parts(&lambda.args, None);
                let private = self.private();
                self.push(node_key(&**lambda), ScopeKind::Function, private);
                self.params(&lambda.args);
                self.expr(&lambda.body);
                self.pop();
            }
            ExprKind::ListComp { elt, generators }
            | ExprKind::SetComp { elt, generators }
            | ExprKind::GeneratorExp { elt, generators } => self.comprehension(expr, &[elt], generators),
            ExprKind::DictComp { key, value, generators } => self.comprehension(expr, &[key, value], generators),
            ExprKind::Await { value } | ExprKind::YieldFrom { value } => {
                self.scope().suspends.get_or_insert(expr.span);
                self.expr(value);
            }
            ExprKind::Yield { value } => {
                self.scope().suspends.get_or_insert(expr.span);
                value.iter().for_each(|e| self.expr(e));
            }
            ExprKind::BoolOp { values, .. } | ExprKind::JoinedStr { values } => self.exprs(values),
            ExprKind::Set { elts } | ExprKind::List { elts } | ExprKind::Tuple { elts } => self.exprs(elts),
            ExprKind::BinOp { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::UnaryOp { operand: value, .. }
            | ExprKind::Attribute { value, .. }
            | ExprKind::Starred { value } => self.expr(value),
            ExprKind::IfExp { test, body, orelse } => {
                self.expr(test);
                self.expr(body);
                self.expr(orelse);
            }
            ExprKind::Dict { keys, values } => {
                keys.iter().flatten().for_each(|e| self.expr(e));
                self.exprs(values);
            }
            ExprKind::Compare { left, comparators, .. } => {
                self.expr(left);
                self.exprs(comparators);
            }
            ExprKind::Call { func, args, keywords } => {
                self.expr(func);
                self.exprs(args);
                keywords.iter().for_each(|k| self.expr(&k.value));
            }
            ExprKind::FormattedValue { value, format_spec, .. } => {
                self.expr(value);
                format_spec.iter().for_each(|e| self.expr(e));
            }
            ExprKind::Subscript { value, slice } => {
                self.expr(value);
                self.expr(slice);
            }
            ExprKind::Slice { lower, upper, step } => {
                [lower, upper, step].into_iter().flatten().for_each(|e| self.expr(e));
            }
            ExprKind::Constant { .. } | ExprKind::Unknown { .. } => {}
        }
    }
}

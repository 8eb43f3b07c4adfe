//! Whole functions: the outermost one, nested definitions, lambdas, and comprehensions with their loops.

use flashpoint_ir::generic::*;
use flashpoint_ir::reason::Reason;

use super::emit::{Build, Builder, Shared};
use super::{NotCompiled, comprehension_key};
use crate::scope::{Scope, ScopeKind, node_key};
use crate::syntax::*;

/// What a code object is made from.
pub(super) struct Parts<'a> {
    name: &'a str,
    first_line: u32,
    span: Span,
    args: Option<&'a Arguments>,
    body: Body<'a>,
}

enum Body<'a> {
    Stmts(&'a [Stmt]),
    Value(&'a Expr),
    Comprehension(&'a Expr),
}

impl<'a> Parts<'a> {
    pub fn of(source: FunctionSource<'a>) -> Parts<'a> {
        let body = match source {
            FunctionSource::FunctionDef(def) | FunctionSource::AsyncFunctionDef(def) => Body::Stmts(&def.body),
            FunctionSource::Lambda(lambda) => Body::Value(&lambda.body),
        };
        Parts {
            name: source.name(),
            first_line: source.first_line(),
            span: source.span(),
            args: Some(source.args()),
            body,
        }
    }

    fn of_comprehension(expr: &'a Expr) -> Parts<'a> {
        let name = match &expr.kind {
            ExprKind::ListComp { .. } => "<listcomp>",
            ExprKind::SetComp { .. } => "<setcomp>",
            ExprKind::DictComp { .. } => "<dictcomp>",
            _ => "<genexpr>",
        };
        Parts { name, first_line: expr.span.line, span: expr.span, args: None, body: Body::Comprehension(expr) }
    }

    fn params(&self) -> Params {
        match self.args {
            Some(args) => Params {
                n_positional_only: args.posonlyargs.len() as u32,
                n_positional: (args.posonlyargs.len() + args.args.len()) as u32,
                n_keyword_only: args.kwonlyargs.len() as u32,
                has_varargs: args.vararg.is_some(),
                has_varkw: args.kwarg.is_some(),
            },
            // The iterator of a comprehension, `.0`.
            None => Params { n_positional_only: 1, n_positional: 1, ..Params::default() },
        }
    }
}

/// Builds one function from its parts, with those nested in it.
pub(super) fn build<'a>(
    shared: &'a Shared<'a>,
    scope: &'a Scope,
    frees: &[String],
    qualname: String,
    parts: &Parts<'a>,
) -> Build<GenericFunction> {
    if let Some(span) = scope.suspends {
        return Err(NotCompiled::new(Reason::Generator, span, ""));
    }
    let mut builder = Builder::new(shared, scope, frees, qualname, parts.span);
    match parts.body {
        Body::Stmts(body) => {
            builder.stmts(body)?;
            // As CPython, the implicit return has the position of the last statement.
            let src = builder.constant(Const::None, None);
            builder.emit(GenericOp::Return { src });
        }
        Body::Value(value) => {
            let src = builder.operand(value)?;
            builder.emit(GenericOp::Return { src });
        }
        Body::Comprehension(expr) => builder.comprehension_body(expr)?,
    }
    builder.finish(parts.name.to_owned(), parts.first_line, parts.params())
}

impl<'a> Builder<'a> {
    /// `def name(...)`: decorators, defaults, the function, and the decorators' calls, innermost first.
    pub fn function_def(&mut self, def: &'a FunctionDef, is_async: bool) -> Build {
        if def.has_type_params {
            return Err(self.refuse("type parameters of a nested function"));
        }
        let mut decorators = Vec::new();
        for decorator in &def.decorator_list {
            decorators.push(self.operand(decorator)?);
        }
        // The definition itself happens on the line of the first decorator.
        self.loc = def.decorator_list.first().map_or(def.span, |first| first.span);
        let source = if is_async { FunctionSource::AsyncFunctionDef(def) } else { FunctionSource::FunctionDef(def) };
        let mut function = self.make_function(source, node_key(def), def.returns.as_ref())?;
        for (callee, decorator) in decorators.into_iter().zip(&def.decorator_list).rev() {
            let dst = self.temp();
            let args = Box::new([function]);
            self.emit_at(decorator.span, GenericOp::Call { dst, callee, args });
            function = dst;
        }
        self.store_name(&def.name, function);
        Ok(())
    }

    /// `lambda ...: value`.
    pub fn lambda(&mut self, lambda: &'a Lambda) -> Build<SlotIdx> {
        self.make_function(FunctionSource::Lambda(lambda), node_key(lambda), None)
    }

    fn make_function(&mut self, source: FunctionSource<'a>, key: usize, returns: Option<&'a Expr>) -> Build<SlotIdx> {
        let args = source.args();
        let mut defaults = Vec::new();
        for default in &args.defaults {
            defaults.push(self.operand(default)?);
        }
        let mut keyword_defaults = Vec::new();
        for (arg, default) in args.kwonlyargs.iter().zip(&args.kw_defaults) {
            if let Some(default) = default {
                let value = self.operand(default)?;
                keyword_defaults.push((self.name(&arg.arg), value));
            }
        }
        let annotations = self.annotations(args, returns)?;
        let parts = Parts::of(source);
        let is_async = matches!(source, FunctionSource::AsyncFunctionDef(_));
        let (function, closure) = self.nested_function(key, &parts, is_async)?;
        let dst = if annotations.is_some() { self.pinned() } else { self.temp() };
        self.emit(GenericOp::MakeFunction {
            dst,
            function,
            defaults: defaults.into(),
            keyword_defaults: keyword_defaults.into(),
            closure,
        });
        let Some(annotations) = annotations else { return Ok(dst) };
        let name = self.raw_name("__annotations__");
        self.emit(GenericOp::StoreAttr { object: dst, name, src: annotations });
        let function = self.temp();
        self.emit(GenericOp::Move { dst: function, src: dst });
        self.drop_pinned(dst);
        Ok(function)
    }

    /// The dict of a nested function's annotations, if it has any that are evaluated when it is defined.
    fn annotations(&mut self, args: &'a Arguments, returns: Option<&'a Expr>) -> Build<Option<SlotIdx>> {
        if self.shared.module.future_annotations {
            return Ok(None);
        }
        let positional = args.posonlyargs.iter().chain(&args.args).chain(&args.vararg);
        let all = positional.chain(&args.kwonlyargs).chain(&args.kwarg);
        let annotated = all.filter_map(|arg| Some((arg.arg.as_str(), arg.annotation.as_ref()?)));
        let annotated: Vec<_> = annotated.chain(returns.map(|e| ("return", e))).collect();
        if annotated.is_empty() {
            return Ok(None);
        }
        let mut items = Vec::new();
        for (name, annotation) in annotated {
            let name = crate::scope::mangle(self.scope.private.as_deref(), name).into_owned();
            let key = self.constant(Const::Str(name), None);
            items.push((Some(key), self.operand(annotation)?));
        }
        let dst = self.temp();
        self.emit(GenericOp::BuildDict { dst, items: items.into() });
        Ok(Some(dst))
    }

    /// A list, set or dict comprehension, or a generator expression: the function is made, then called with the
    /// iterator over the outermost iterable, which is evaluated here.
    pub fn comprehension(
        &mut self,
        expr: &'a Expr,
        generators: &'a [Comprehension],
        dst: Option<SlotIdx>,
    ) -> Build<SlotIdx> {
        let Some(first) = generators.first() else { return Err(self.refuse("a comprehension without `for`")) };
        let parts = Parts::of_comprehension(expr);
        let is_generator = matches!(expr.kind, ExprKind::GeneratorExp { .. });
        let (function, closure) = self.nested_function(comprehension_key(expr), &parts, is_generator)?;
        let callee = self.temp();
        self.emit(GenericOp::MakeFunction {
            dst: callee,
            function,
            defaults: Box::default(),
            keyword_defaults: Box::default(),
            closure,
        });
        let src = self.operand(&first.iter)?;
        let iter = self.temp();
        self.emit(GenericOp::GetIter { dst: iter, src });
        let dst = self.or_temp(dst);
        self.emit(GenericOp::Call { dst, callee, args: Box::new([iter]) });
        Ok(dst)
    }

    /// The nested function of a node, built once (the bodies of `finally` clauses are emitted several times), and the
    /// slots that it captures.
    fn nested_function(
        &mut self,
        key: usize,
        parts: &Parts<'a>,
        left_to_host: bool,
    ) -> Build<(NestedIdx, Box<[SlotIdx]>)> {
        let Some(scope) = self.shared.scopes.of_node(key) else {
            return Err(self.refuse("a function without a scope"));
        };
        let mut closure = Vec::new();
        for name in &scope.frees {
            closure.push(self.captured(name)?);
        }
        if let Some(&known) = self.nested_by_node.get(&key) {
            return Ok((known, closure.into()));
        }
        let is_global = self.scope.binding(parts.name) == crate::scope::Binding::Global;
        let qualname = match (scope.kind, self.scope.kind) {
            (ScopeKind::Function, _) if is_global && matches!(parts.body, Body::Stmts(_)) => parts.name.to_owned(),
            (_, ScopeKind::Comprehension) => format!("{}.{}", self.qualname, parts.name),
            _ => format!("{}.<locals>.{}", self.qualname, parts.name),
        };
        let body = match left_to_host {
            true => None,
            false => build(self.shared, scope, &scope.frees, qualname, parts).ok().map(Box::new),
        };
        let is_same = |other: &&NestedFunction| other.name == parts.name && other.first_line == parts.first_line;
        let ordinal = self.nested.iter().filter(is_same).count() as u32;
        let idx = NestedIdx(self.nested.len() as u32);
        self.nested.push(NestedFunction { name: parts.name.to_owned(), first_line: parts.first_line, ordinal, body });
        self.nested_by_node.insert(key, idx);
        Ok((idx, closure.into()))
    }

    /// The body of a list, set or dict comprehension: loops around one `Append` or `Insert`.
    fn comprehension_body(&mut self, expr: &'a Expr) -> Build {
        let (generators, result) = match &expr.kind {
            ExprKind::ListComp { generators, .. } => {
                let dst = self.pinned();
                self.emit(GenericOp::BuildList { dst, items: Box::default() });
                (generators, dst)
            }
            ExprKind::SetComp { generators, .. } => {
                let dst = self.pinned();
                self.emit(GenericOp::BuildSet { dst, items: Box::default() });
                (generators, dst)
            }
            ExprKind::DictComp { generators, .. } => {
                let dst = self.pinned();
                self.emit(GenericOp::BuildDict { dst, items: Box::default() });
                (generators, dst)
            }
            _ => return Err(self.refuse("a generator expression")),
        };
        self.comprehension_loops(expr, generators, 0, result)?;
        let src = self.temp();
        self.emit(GenericOp::Move { dst: src, src: result });
        self.drop_pinned(result);
        self.emit(GenericOp::Return { src });
        Ok(())
    }

    fn comprehension_loops(
        &mut self,
        expr: &'a Expr,
        generators: &'a [Comprehension],
        depth: usize,
        into: SlotIdx,
    ) -> Build {
        let Some(generator) = generators.get(depth) else {
            return self.comprehension_element(expr, into);
        };
        // The outermost iterator is the parameter.
        let iter = match depth {
            0 => SlotIdx(0),
            _ => {
                let src = self.operand(&generator.iter)?;
                let iter = self.pinned();
                self.emit(GenericOp::GetIter { dst: iter, src });
                iter
            }
        };
        let (header, exhausted) = (self.label(), self.label());
        self.place_loop_header(header);
        self.for_target(&generator.target, iter, exhausted)?;
        for condition in &generator.ifs {
            let loc = self.loc;
            let go_on = self.label();
            self.jump_if(condition, go_on, header)?;
            self.place(go_on);
            self.loc = loc;
        }
        self.comprehension_loops(expr, generators, depth + 1, into)?;
        self.jump(header);
        self.place(exhausted);
        if depth > 0 {
            self.drop_pinned(iter);
        }
        Ok(())
    }

    fn comprehension_element(&mut self, expr: &'a Expr, into: SlotIdx) -> Build {
        match &expr.kind {
            ExprKind::ListComp { elt, .. } | ExprKind::SetComp { elt, .. } => {
                let src = self.operand(elt)?;
                self.emit_at(elt.span, GenericOp::Append { into, src });
            }
            ExprKind::DictComp { key, value, .. } => {
                let key = self.operand(key)?;
                let value = self.operand(value)?;
                self.emit(GenericOp::Insert { into, key, value });
            }
            _ => {}
        }
        Ok(())
    }
}

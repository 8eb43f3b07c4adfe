//! Which variable each name means: CPython's symbol analysis (`symtable`), for one function and everything inside it.
//!
//! Comprehensions and generator expressions are functions of their own, as in CPython 3.11, on every version of Python;
//! a walrus inside one binds in the function around it. Names are mangled where they are private to a class.
//! Scopes are found again by the address of their node ([`node_key`]), so the tree must outlive its [`Scopes`].

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use flashpoint_ir::generic::Span;

use crate::syntax::*;

mod collect;

/// How a function reaches a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A parameter or local that only this function touches.
    Local,
    /// A parameter or local that nested functions capture.
    Cell,
    /// A variable of an enclosing function.
    Free,
    /// A global or built-in name.
    Global,
}

/// What kind of block a scope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// A `def`, an `async def` or a `lambda`.
    Function,
    /// A comprehension or generator expression.
    Comprehension,
    /// A class body.
    Class,
}

/// The names of one function.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What it belongs to.
    pub kind: ScopeKind,
    /// Every name that occurs, mangled, and what it means.
    pub bindings: HashMap<String, Binding>,
    /// Parameters in slot order.
    pub params: Vec<String>,
    /// All other names bound here ([`Binding::Local`] or [`Binding::Cell`]), in order of appearance.
    pub locals: Vec<String>,
    /// `co_freevars` of its code object.
    pub frees: Vec<String>,
    /// Names that an expression may bind (`:=`), so that a value read before must be copied.
    pub walrus: HashSet<String>,
    /// Where the first `yield` or `await` of this very function stands.
    pub suspends: Option<Span>,
    /// The class whose private names are mangled here.
    pub private: Option<String>,
}

/// The scopes of a function and everything inside it.
#[derive(Debug)]
pub struct Scopes {
    scopes: Vec<Scope>,
    by_node: HashMap<usize, usize>,
}

impl Scopes {
    /// Analyses a function whose own free variables are `enclosing`; `private` is the class that it is written in.
    pub fn of(source: FunctionSource<'_>, enclosing: &[String], private: Option<&str>) -> Scopes {
        let collector = collect::Collector::run(source, private);
        let mut scopes = Scopes { scopes: Vec::new(), by_node: collector.by_node };
        let raw = collector.scopes;
        let mut resolver = Resolver { done: vec![None; raw.len()], raw };
        resolver.resolve(0, &enclosing.iter().cloned().collect());
        scopes.scopes = resolver.done.into_iter().flatten().collect();
        scopes
    }

    /// The scope of the function itself.
    pub fn root(&self) -> &Scope {
        &self.scopes[0]
    }

    /// The scope of a nested function, lambda, class or comprehension by its [`node_key`].
    pub fn of_node(&self, key: usize) -> Option<&Scope> {
        self.by_node.get(&key).map(|&idx| &self.scopes[idx])
    }
}

impl Scope {
    /// What `name` (mangled) means here.
    pub fn binding(&self, name: &str) -> Binding {
        self.bindings.get(name).copied().unwrap_or(Binding::Global)
    }
}

/// The identity of a node: its address.
pub fn node_key<T>(node: &T) -> usize {
    std::ptr::from_ref(node) as usize
}

/// `name` as the class `private` sees it.
pub fn mangle<'n>(private: Option<&str>, name: &'n str) -> Cow<'n, str> {
    let Some(class) = private else { return Cow::Borrowed(name) };
    let class = class.trim_start_matches('_');
    if class.is_empty() || !name.starts_with("__") || name.ends_with("__") || name.contains('.') {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("_{class}{name}"))
}

/// The class whose private names a function of this `__qualname__` uses: the last part that is followed by another
/// without `<locals>` between them.
pub fn class_of_qualname(qualname: &str) -> Option<&str> {
    let mut class = None;
    let mut parts = qualname.split('.').peekable();
    while let Some(part) = parts.next() {
        if part != "<locals>" && parts.peek().is_some_and(|next| *next != "<locals>") {
            class = Some(part);
        }
    }
    class
}

/// Decides what names mean, from the outside in, and what is captured, from the inside out.
struct Resolver {
    raw: Vec<collect::RawScope>,
    done: Vec<Option<Scope>>,
}

impl Resolver {
    /// Resolves scope `idx`, given the names bound in functions around it; returns its free variables.
    fn resolve(&mut self, idx: usize, enclosing: &HashSet<String>) -> BTreeSet<String> {
        let raw = std::mem::take(&mut self.raw[idx]);
        let mut bindings = HashMap::new();
        for name in &raw.names {
            let binding = if raw.globals.contains(name) {
                Binding::Global
            } else if raw.nonlocals.contains(name) {
                // A walrus in a comprehension of a function that declares the name global binds the global.
                let is_global = raw.kind == ScopeKind::Comprehension && !enclosing.contains(name);
                if is_global { Binding::Global } else { Binding::Free }
            } else if raw.bound.contains(name) {
                Binding::Local
            } else if enclosing.contains(name) {
                Binding::Free
            } else {
                Binding::Global
            };
            bindings.insert(name.clone(), binding);
        }

        let mut visible = enclosing.clone();
        if raw.kind == ScopeKind::Class {
            visible.insert("__class__".into());
        } else {
            for (name, binding) in &bindings {
                match binding {
                    Binding::Global => visible.remove(name),
                    _ => visible.insert(name.clone()),
                };
            }
        }
        let mut captured = BTreeSet::new();
        for &child in &raw.children {
            captured.extend(self.resolve(child, &visible));
        }

        let mut frees: BTreeSet<String> =
            bindings.iter().filter(|(_, binding)| **binding == Binding::Free).map(|(name, _)| name.clone()).collect();
        if raw.kind == ScopeKind::Class {
            captured.remove("__class__");
        }
        for name in captured {
            match bindings.get_mut(&name) {
                Some(binding @ (Binding::Local | Binding::Cell)) if raw.kind != ScopeKind::Class => {
                    *binding = Binding::Cell;
                }
                Some(_) => {
                    frees.insert(name);
                }
                None => {
                    bindings.insert(name.clone(), Binding::Free);
                    frees.insert(name);
                }
            }
        }

        let is_local = |name: &&String| {
            matches!(bindings.get(*name), Some(Binding::Local | Binding::Cell)) && !raw.params.contains(name)
        };
        self.done[idx] = Some(Scope {
            kind: raw.kind,
            locals: raw.names.iter().filter(is_local).cloned().collect(),
            frees: frees.iter().cloned().collect(),
            bindings,
            params: raw.params,
            walrus: raw.walrus,
            suspends: raw.suspends,
            private: raw.private,
        });
        frees
    }
}

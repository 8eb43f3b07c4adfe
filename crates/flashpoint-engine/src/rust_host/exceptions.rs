//! Exceptions: classes, raising, what is pending and what is handled.

use std::rc::Rc;

use flashpoint_ir::slot::Slot;

use super::object::Exception;
use super::{Object, RustHost};
use crate::host::{Host, Raised};

/// The built-in classes and their bases, bases first.
const CLASSES: [(&str, &str); 21] = [
    ("BaseException", ""),
    ("Exception", "BaseException"),
    ("KeyboardInterrupt", "BaseException"),
    ("ArithmeticError", "Exception"),
    ("ZeroDivisionError", "ArithmeticError"),
    ("OverflowError", "ArithmeticError"),
    ("AssertionError", "Exception"),
    ("AttributeError", "Exception"),
    ("ImportError", "Exception"),
    ("LookupError", "Exception"),
    ("IndexError", "LookupError"),
    ("KeyError", "LookupError"),
    ("NameError", "Exception"),
    ("UnboundLocalError", "NameError"),
    ("RuntimeError", "Exception"),
    ("RecursionError", "RuntimeError"),
    ("NotImplementedError", "RuntimeError"),
    ("StopIteration", "Exception"),
    ("TypeError", "Exception"),
    ("ValueError", "Exception"),
    ("UnicodeError", "ValueError"),
];

/// What a test wants to know of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// Name of the class.
    pub class: &'static str,
    /// `str(exc)`
    pub message: String,
    /// Function and line of each frame, the innermost first.
    pub traceback: Vec<(String, u32)>,
}

pub(super) fn register(host: &mut RustHost) {
    for (name, base) in CLASSES {
        let base = host.classes.get(base).copied().unwrap_or(Slot::NONE);
        host.retain(&base);
        let class = host.object(Object::Class { name, base });
        host.classes.insert(name, class);
    }
}

impl RustHost {
    /// Makes a new exception pending.
    pub fn error(&mut self, class: &str, message: &str) -> Raised {
        let message = self.str(message);
        let class = self.classes[class];
        self.retain(&class);
        let exception = self.new_exception(class, vec![message]);
        self.set_pending(exception)
    }

    /// Takes the pending exception: for whoever called a function from outside.
    pub fn take_error(&mut self) -> Option<ErrorInfo> {
        let slot = self.pending.take()?;
        let info = self.error_info(&slot);
        self.release(slot);
        info
    }

    /// Describes an exception object.
    pub fn error_info(&mut self, slot: &Slot) -> Option<ErrorInfo> {
        let object = self.get(slot)?;
        let Object::Exception(exception) = &*object else { return None };
        let message = match &exception.args[..] {
            [] => String::new(),
            [only] => self.text(only),
            several => several.iter().map(|arg| self.text(arg)).collect::<Vec<_>>().join(", "),
        };
        Some(ErrorInfo { class: self.class_name(&exception.class), message, traceback: exception.traceback.clone() })
    }

    /// A new exception that takes over the class and arguments.
    pub(super) fn new_exception(&mut self, class: Slot, args: Vec<Slot>) -> Slot {
        let (cause, context, traceback) = (Slot::NONE, Slot::NONE, Vec::new());
        self.object(Object::Exception(Exception { class, args, cause, context, traceback }))
    }

    /// Makes an owned exception pending, in the context of the handled one.
    pub(super) fn set_pending(&mut self, slot: Slot) -> Raised {
        debug_assert!(self.pending.is_none(), "an exception is pending already");
        let handled = self.handled;
        if handled.owns() && handled != slot {
            self.retain(&handled);
            if let Object::Exception(exception) = self.heap.get_mut(&slot) {
                let old = std::mem::replace(&mut exception.context, handled);
                self.release(old);
            }
        }
        self.pending = Some(slot);
        Raised
    }

    /// `raise value from cause`, both borrowed.
    pub(super) fn raise_value(&mut self, value: &Slot, cause: Option<&Slot>) -> Raised {
        let exception = match self.get(value).as_deref() {
            Some(Object::Class { .. }) => {
                self.retain(value);
                self.new_exception(*value, Vec::new())
            }
            Some(Object::Exception(_)) => {
                self.retain(value);
                *value
            }
            _ => return self.error("TypeError", "exceptions must derive from BaseException"),
        };
        if let Some(cause) = cause {
            let cause = match self.get(cause).as_deref() {
                Some(Object::Class { .. }) => {
                    self.retain(cause);
                    self.new_exception(*cause, Vec::new())
                }
                _ => {
                    self.retain(cause);
                    *cause
                }
            };
            if let Object::Exception(exception) = self.heap.get_mut(&exception) {
                let old = std::mem::replace(&mut exception.cause, cause);
                self.release(old);
            }
        }
        self.set_pending(exception)
    }

    pub(super) fn add_traceback_entry(&mut self, function: &str, line: u32) {
        let slot = self.pending.expect("an exception is pending");
        if let Object::Exception(exception) = self.heap.get_mut(&slot) {
            exception.traceback.push((function.into(), line));
        }
    }

    /// Whether the exception is an instance of the class, or of one in the tuple; `None` if `class` is neither.
    pub(super) fn matches(&self, exception: &Slot, class: &Slot) -> Option<bool> {
        match &*self.get(class)? {
            Object::Class { .. } => {
                let object = self.get(exception)?;
                let Object::Exception(exception) = &*object else { return Some(false) };
                Some(self.is_subclass(exception.class, class))
            }
            Object::Tuple(classes) => {
                let mut any = false;
                for class in classes {
                    any |= self.matches(exception, class)?;
                }
                Some(any)
            }
            _ => None,
        }
    }

    fn is_subclass(&self, mut class: Slot, of: &Slot) -> bool {
        loop {
            if class == *of {
                return true;
            }
            match self.get(&class).as_deref() {
                Some(Object::Class { base, .. }) => class = *base,
                _ => return false,
            }
        }
    }

    fn class_name(&self, class: &Slot) -> &'static str {
        match self.get(class).as_deref() {
            Some(Object::Class { name, .. }) => name,
            _ => "?",
        }
    }

    /// A class by name, borrowed.
    pub(super) fn class(&self, name: &str) -> Option<Slot> {
        self.classes.get(name).copied()
    }

    pub(super) fn type_error(&mut self, text: impl AsRef<str>) -> Raised {
        self.error("TypeError", text.as_ref())
    }

    /// The name of a value's type.
    pub fn type_name(&self, slot: &Slot) -> &'static str {
        use flashpoint_ir::slot::Tag;
        match slot.tag {
            Tag::None => "NoneType",
            Tag::Bool => "bool",
            Tag::Int | Tag::Int128 => "int",
            Tag::Float => "float",
            Tag::Complex => "complex",
            Tag::Numpy => slot.dtype().map_or("numpy", |dtype| dtype.name()),
            Tag::RangeIter | Tag::SeqIter => "iterator",
            Tag::Unbound => "unbound",
            Tag::Object => self.get(slot).map_or("?", |object: Rc<Object>| object.type_name()),
        }
    }
}

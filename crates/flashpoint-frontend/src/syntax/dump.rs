//! Reads the text of Python's `ast.dump(tree, include_attributes=True)`, so that tests and Rust users can hand trees to
//! the front end without a Python process.
//!
//! The text is a nesting of calls, lists and literals; [`parse`] gives the statements of the module it describes.

use flashpoint_ir::generic::{Const, Span};

use super::*;

mod convert;

/// The statements of a dumped `Module`.
///
/// # Errors
/// Where the text is not such a dump, with the position in bytes.
pub fn parse(text: &str) -> Result<Vec<Stmt>, DumpError> {
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let node = reader.node()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("text after the tree"));
    }
    convert::module(&node)
}

/// A text that is no dump of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpError {
    /// What is wrong.
    pub what: String,
    /// Where, in bytes; 0 if the text is well-formed but describes no module.
    pub at: usize,
}

impl std::fmt::Display for DumpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for DumpError {}

/// A value of the text.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// `Class(field=value, ...)`.
    Call {
        class: String,
        fields: Vec<(String, Node)>,
    },
    List(Vec<Node>),
    Literal(Const),
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, what: impl Into<String>) -> DumpError {
        DumpError { what: what.into(), at: self.at }
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_ascii_alphanumeric() || matches!(self.peek(), b'_' | b'.' | b'+' | b'-') {
            // A sign belongs to a number only after its exponent; `1+2j` does not occur in dumps.
            if matches!(self.peek(), b'+' | b'-') && self.at > start && !matches!(self.text[self.at - 1], b'e' | b'E') {
                break;
            }
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn node(&mut self) -> Result<Node, DumpError> {
        self.skip_space();
        match self.peek() {
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.eat(b']') {
                    items.push(self.node()?);
                    self.eat(b',');
                }
                Ok(Node::List(items))
            }
            b'\'' | b'"' => Ok(Node::Literal(Const::Str(self.string()?))),
            b'b' if matches!(self.text.get(self.at + 1), Some(b'\'' | b'"')) => {
                self.at += 1;
                Ok(Node::Literal(Const::Bytes(self.string()?.chars().map(|c| c as u8).collect())))
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    return Err(self.error("a value is missing"));
                }
                if !self.eat(b'(') {
                    return self.literal(&word).map(Node::Literal);
                }
                let mut fields = Vec::new();
                while !self.eat(b')') {
                    self.skip_space();
                    let name = self.word();
                    if !self.eat(b'=') {
                        return Err(self.error("`=` is missing"));
                    }
                    fields.push((name, self.node()?));
                    self.eat(b',');
                }
                Ok(Node::Call { class: word, fields })
            }
        }
    }

    fn literal(&self, word: &str) -> Result<Const, DumpError> {
        Ok(match word {
            "None" => Const::None,
            "True" => Const::Bool(true),
            "False" => Const::Bool(false),
            "Ellipsis" => Const::Ellipsis,
            _ => {
                let float = |text: &str| text.parse::<f64>().map_err(|_| self.error(format!("`{text}` is no number")));
                if let Some(imaginary) = word.strip_suffix('j') {
                    Const::Complex(0, float(imaginary)?.to_bits())
                } else if let Ok(value) = word.parse::<i64>() {
                    Const::Int(value)
                } else if word.bytes().all(|byte| byte.is_ascii_digit()) {
                    Const::BigInt(word.to_owned())
                } else {
                    Const::Float(float(word)?.to_bits())
                }
            }
        })
    }

    /// A string as `repr` writes it.
    fn string(&mut self) -> Result<String, DumpError> {
        let quote = self.peek();
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek();
            if self.at >= self.text.len() {
                return Err(self.error("a string does not end"));
            }
            self.at += 1;
            if byte == quote {
                return String::from_utf8(bytes).map_err(|_| self.error("a string is not UTF-8"));
            }
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            let escape = self.peek();
            self.at += 1;
            let code = match escape {
                b'n' => u32::from(b'\n'),
                b't' => u32::from(b'\t'),
                b'r' => u32::from(b'\r'),
                b'x' => self.hex(2)?,
                b'u' => self.hex(4)?,
                b'U' => self.hex(8)?,
                other => u32::from(other),
            };
            let character = char::from_u32(code).ok_or_else(|| self.error("an escape is no character"))?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn hex(&mut self, n_digits: usize) -> Result<u32, DumpError> {
        let digits = self.text.get(self.at..self.at + n_digits).unwrap_or_default();
        self.at += n_digits;
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        u32::from_str_radix(digits, 16).map_err(|_| self.error("an escape is not hexadecimal"))
    }
}

//! Reads tokens, and says where something is wrong.

/// A text that does not follow the syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub col: usize,
    /// What was expected or is wrong.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.col, self.message)
    }
}

impl std::error::Error for ParseError {}

pub(super) type Result<T> = std::result::Result<T, ParseError>;

/// Numbers of entities beyond this are taken for mistakes; tables are as long as the largest number.
const MAX_NUMBER: u32 = 1 << 24;

/// A place in a text. All readers first skip white space, line ends and comments; on failure they stay where they were.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self) {
        self.at = self.mark();
    }

    /// The place of the next token, for [`Cursor::error_at`].
    pub fn mark(&self) -> usize {
        let mut rest = self.rest().trim_start();
        while rest.starts_with(';') {
            rest = rest[rest.find('\n').unwrap_or(rest.len())..].trim_start();
        }
        self.text.len() - rest.len()
    }

    pub fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ParseError {
            line: before.matches('\n').count() + 1,
            col: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// An error at the next token, or behind the last one if that was the line's end.
    pub fn error(&self, message: impl Into<String>) -> ParseError {
        self.error_at(if self.at_line_end() { self.at } else { self.mark() }, message)
    }

    pub fn at_end(&self) -> bool {
        self.mark() == self.text.len()
    }

    /// Whether nothing but a comment follows on this line.
    pub fn at_line_end(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', ';'])
    }

    /// Every instruction ends with its line.
    pub fn end_line(&mut self) -> Result<()> {
        if self.at_line_end() { Ok(()) } else { Err(self.error("expected the end of the line")) }
    }

    pub fn peek(&self) -> Option<char> {
        self.text[self.mark()..].chars().next()
    }

    /// Takes a piece of punctuation if it is next.
    pub fn eat(&mut self, punctuation: &str) -> bool {
        let at = self.mark();
        let found = self.text[at..].starts_with(punctuation);
        if found {
            self.at = at + punctuation.len();
        }
        found
    }

    pub fn expect(&mut self, punctuation: &str) -> Result<()> {
        if self.eat(punctuation) { Ok(()) } else { Err(self.error(format!("expected `{punctuation}`"))) }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The next word, without taking it; empty if something else is next.
    pub fn peek_word(&self) -> &'a str {
        let rest = &self.text[self.mark()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if rest.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &rest[..end] }
    }

    pub fn word(&mut self) -> Result<&'a str> {
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.error("expected a word"));
        }
        self.at = self.mark() + word.len();
        Ok(word)
    }

    /// A word with parts after dots, as mnemonics have.
    pub fn dotted_word(&mut self) -> Result<&'a str> {
        if self.peek_word().is_empty() {
            return Err(self.error("expected an operation"));
        }
        self.skip();
        Ok(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'))
    }

    /// Takes a word if it is next.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        if found {
            self.at = self.mark() + word.len();
        }
        found
    }

    pub fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.error(format!("expected `{word}`"))) }
    }

    /// The number of the entity that is next, if it is one with this prefix: 3 for `v3`.
    pub fn peek_entity(&self, prefix: &str) -> Option<u32> {
        let digits = self.peek_word().strip_prefix(prefix)?;
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    }

    pub fn entity(&mut self, prefix: &str) -> Result<u32> {
        match self.peek_entity(prefix) {
            Some(number) if number < MAX_NUMBER => {
                self.at = self.mark() + self.peek_word().len();
                Ok(number)
            }
            Some(_) => Err(self.error("the number is too large")),
            None => Err(self.error(format!("expected `{prefix}` and a number"))),
        }
    }

    pub fn number(&mut self) -> Result<u32> {
        let at = self.mark();
        self.skip();
        let digits = self.take_while(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| {
            self.at = at;
            self.error_at(at, "expected a number")
        })
    }

    pub fn int(&mut self) -> Result<i128> {
        let at = self.mark();
        let text = self.scalar_text();
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => i128::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        parsed.ok_or_else(|| self.error_at(at, format!("expected an integer, found `{text}`")))
    }

    /// What may be a number: everything up to white space or punctuation that no number has.
    pub fn scalar_text(&mut self) -> &'a str {
        self.skip();
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':'))
    }

    /// The bits of an `f64`.
    pub fn f64_bits(&mut self) -> Result<u64> {
        let at = self.mark();
        let text = self.scalar_text();
        let bits = match text.strip_prefix("nan:0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse::<f64>().ok().map(f64::to_bits),
        };
        bits.ok_or_else(|| self.error_at(at, format!("expected a float, found `{text}`")))
    }

    /// The bits of an `f32`.
    pub fn f32_bits(&mut self) -> Result<u64> {
        let at = self.mark();
        let text = self.scalar_text();
        let bits = match text.strip_prefix("nan:0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse::<f32>().ok().map(f32::to_bits),
        };
        bits.map(u64::from).ok_or_else(|| self.error_at(at, format!("expected a float, found `{text}`")))
    }

    pub fn string(&mut self) -> Result<String> {
        let bytes = self.quoted("\"")?;
        String::from_utf8(bytes).map_err(|_| self.error("the string is not UTF-8"))
    }

    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        self.quoted("b\"")
    }

    fn quoted(&mut self, open: &str) -> Result<Vec<u8>> {
        let at = self.mark();
        self.expect(open)?;
        let mut bytes = Vec::new();
        loop {
            let plain = self.take_while(|c| c != '"' && c != '\\' && c != '\n');
            bytes.extend_from_slice(plain.as_bytes());
            let escape_at = self.at;
            if self.rest().starts_with('"') {
                self.at += 1;
                return Ok(bytes);
            }
            if !self.rest().starts_with('\\') {
                return Err(self.error_at(at, "the string is not closed"));
            }
            self.at += 1;
            let escape = self.rest().chars().next().unwrap_or('\n');
            self.at += escape.len_utf8().min(self.rest().len());
            match escape {
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                'r' => bytes.push(b'\r'),
                '"' | '\\' => bytes.push(escape as u8),
                'x' if self.rest().is_char_boundary(2) && self.rest().len() >= 2 => {
                    let byte = u8::from_str_radix(&self.rest()[..2], 16);
                    bytes.push(byte.map_err(|_| self.error_at(escape_at, "expected two hexadecimal digits"))?);
                    self.at += 2;
                }
                _ => return Err(self.error_at(escape_at, "no such escape")),
            }
        }
    }

    /// `flashpoint-ir 1`, if the text says so.
    pub fn version(&mut self) -> Result<()> {
        if !self.eat("flashpoint-ir") {
            return Ok(());
        }
        let at = self.mark();
        let version = self.number()?;
        if version == super::VERSION {
            Ok(())
        } else {
            Err(self.error_at(at, format!("version {version} of the text, expected {}", super::VERSION)))
        }
    }

    /// Items between `open` and `close`, separated by commas.
    pub fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Cursor<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }
}

/// Whether names are written as they are, without quotes.
pub(super) fn is_plain_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A string in quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            '\r' => quoted += "\\r",
            c if c.is_ascii_control() => quoted += &format!("\\x{:02x}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Bytes in quotes, all but printable ASCII escaped.
pub(super) fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::from("b\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', byte as char]),
            b' '..=b'~' => quoted.push(byte as char),
            _ => quoted += &format!("\\x{byte:02x}"),
        }
    }
    quoted + "\""
}

/// A float as the shortest decimal that reads back, a NaN by its bits.
pub(super) fn f64_text(bits: u64) -> String {
    let value = f64::from_bits(bits);
    if value.is_nan() { format!("nan:{bits:#x}") } else { format!("{value:?}") }
}

/// Like [`f64_text`], for the bits of an `f32`.
pub(super) fn f32_text(bits: u64) -> String {
    let value = f32::from_bits(bits as u32);
    if value.is_nan() { format!("nan:{bits:#x}") } else { format!("{value:?}") }
}

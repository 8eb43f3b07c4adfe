//! Reads what a file claims.

use flashpoint_ir::eval::EvalValue;
use flashpoint_ir::typed::{Lane, Type};

/// Everything that a file's comments ask for.
#[derive(Debug, Default)]
pub struct Claims {
    pub passes: Vec<String>,
    pub checks: Vec<String>,
    pub nots: Vec<String>,
    pub error: Option<String>,
    pub runs: Vec<RunClaim>,
    /// Where the line after `; expect:` starts, and what stands there.
    pub expected: Option<(usize, String)>,
}

/// `@f(1, 2) == 3`.
#[derive(Clone, Debug)]
pub struct RunClaim {
    /// Line of the file.
    pub line: usize,
    pub before: bool,
    pub after: bool,
    pub func: String,
    pub args: Vec<String>,
    pub polled: bool,
    /// The outcome as text.
    pub outcome: String,
    /// The arrays afterwards, as text.
    pub memory: Option<String>,
}

impl Claims {
    pub fn of(text: &str) -> Result<Claims, String> {
        let mut claims = Claims::default();
        let mut start = 0;
        for (idx, line) in text.split_inclusive('\n').enumerate() {
            start += line.len();
            let Some((_, comment)) = line.split_once(';') else { continue };
            let Some((kind, rest)) = comment.trim().split_once(':') else { continue };
            // Two spaces end a claim.
            let claim = rest.trim().split("  ").next().unwrap_or_default().trim().to_string();
            match kind {
                "test" => {
                    let mut words = claim.split_whitespace();
                    match words.next() {
                        Some("opt") => claims.passes = words.map(String::from).collect(),
                        other => return Err(format!("line {}: no test is called {other:?}", idx + 1)),
                    }
                }
                "check" => claims.checks.push(claim),
                "not" => claims.nots.push(claim),
                "error" => claims.error = Some(rest.trim().to_string()),
                "run" => claims.runs.push(RunClaim::parse(&claim, idx + 1, true, true)?),
                "run-before" => claims.runs.push(RunClaim::parse(&claim, idx + 1, true, false)?),
                "run-after" => claims.runs.push(RunClaim::parse(&claim, idx + 1, false, true)?),
                "expect" => {
                    let lines = text[start..]
                        .lines()
                        .map(|line| line.strip_prefix("; ").unwrap_or(line.trim_start_matches(';')));
                    claims.expected = Some((start, lines.map(|line| format!("{line}\n")).collect()));
                    break;
                }
                _ => {}
            }
        }
        Ok(claims)
    }
}

impl RunClaim {
    fn parse(claim: &str, line: usize, before: bool, after: bool) -> Result<RunClaim, String> {
        let wrong = || format!("line {line}: expected `@f(...) == ...`, found `{claim}`");
        let (call, result) = claim.split_once(" == ").ok_or_else(wrong)?;
        let (call, polled) = match call.trim().strip_suffix("polled") {
            Some(call) => (call.trim(), true),
            None => (call.trim(), false),
        };
        let call = call.strip_prefix('@').and_then(|call| call.strip_suffix(')')).ok_or_else(wrong)?;
        let (func, args) = call.split_once('(').ok_or_else(wrong)?;
        let (outcome, memory) = match result.split_once(" with ") {
            Some((outcome, memory)) => (outcome, Some(memory.trim().to_string())),
            None => (result, None),
        };
        Ok(RunClaim {
            line,
            before,
            after,
            func: func.into(),
            args: split_arguments(args),
            polled,
            outcome: outcome.trim().into(),
            memory,
        })
    }
}

/// Splits at commas that are not in brackets.
fn split_arguments(text: &str) -> Vec<String> {
    let mut args = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                args.push(String::new());
                continue;
            }
            _ => {}
        }
        args.last_mut().expect("one is always there").push(c);
    }
    args.iter().map(|arg| arg.trim().to_string()).filter(|arg| !arg.is_empty()).collect()
}

/// An argument.
#[derive(Clone, Debug)]
pub enum Arg {
    Scalar(EvalValue),
    /// An array: the type of its elements, and its bytes.
    Array(Type, Vec<u8>),
}

impl Arg {
    /// An argument of a parameter of type `ty`.
    pub fn parse(text: &str, ty: Type) -> Result<Arg, String> {
        if ty != Type::PTR {
            return parse_scalar(text, ty).map(Arg::Scalar);
        }
        let wrong = || format!("expected an array like i64[1, 2], found `{text}`");
        let (lane, items) = text.strip_suffix(']').and_then(|text| text.split_once('[')).ok_or_else(wrong)?;
        let lanes = [Lane::I8, Lane::I16, Lane::I32, Lane::I64, Lane::I128, Lane::F32, Lane::F64];
        let lane = lanes.into_iter().find(|candidate| candidate.to_string() == lane).ok_or_else(wrong)?;
        let ty = Type::scalar(lane);
        let mut bytes = Vec::new();
        for item in split_arguments(items) {
            let bits = parse_scalar(&item, ty)?.bits();
            bytes.extend_from_slice(&bits.to_le_bytes()[..ty.bytes()]);
        }
        Ok(Arg::Array(ty, bytes))
    }
}

/// An array's content as [`Arg::parse`] reads it.
pub fn array_text(ty: Type, bytes: &[u8]) -> String {
    let items = bytes.chunks(ty.bytes()).map(|chunk| {
        let mut wide = [0; 16];
        wide[..chunk.len()].copy_from_slice(chunk);
        EvalValue::new(ty, u128::from_le_bytes(wide)).to_string()
    });
    format!("{ty}[{}]", items.collect::<Vec<_>>().join(", "))
}

fn parse_scalar(text: &str, ty: Type) -> Result<EvalValue, String> {
    let wrong = || format!("`{text}` is no {ty}");
    let bits = match ty.lane {
        Lane::F64 => u128::from(text.parse::<f64>().map_err(|_| wrong())?.to_bits()),
        Lane::F32 => u128::from(text.parse::<f32>().map_err(|_| wrong())?.to_bits()),
        Lane::I1 => match text {
            "true" => 1,
            "false" => 0,
            _ => return Err(wrong()),
        },
        _ => {
            let bits = match text.strip_prefix("0x") {
                Some(hex) => u128::from_str_radix(hex, 16).map_err(|_| wrong())?,
                None if text.starts_with('-') => text.parse::<i128>().map_err(|_| wrong())? as u128,
                None => text.parse::<u128>().map_err(|_| wrong())?,
            };
            let value = EvalValue::new(ty, bits);
            if value.bits() != bits && value.as_signed() as u128 != bits {
                return Err(wrong());
            }
            bits
        }
    };
    Ok(EvalValue::new(ty, bits))
}

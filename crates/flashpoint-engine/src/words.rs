//! Types and words of contents that lie in their slot: what every host would answer alike.

use flashpoint_frontend::lower::types::{Direction, SlotType};
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::slot::{Slot, Tag};

/// The type of a content that lies in its slot; `None` for what only the host can tell.
pub fn plain_type(slot: &Slot, place: SlotIdx) -> Option<SlotType> {
    Some(match slot.tag {
        Tag::Unbound => SlotType::Unbound,
        Tag::None => SlotType::None,
        Tag::Bool => SlotType::Bool,
        Tag::Int => SlotType::Int,
        Tag::Int128 => SlotType::Int128,
        Tag::Float => SlotType::Float,
        Tag::Complex => SlotType::Complex,
        Tag::RangeIter => {
            let step = slot.aux as i32;
            // The value behind the last one must fit too.
            match range_stop(slot).and_then(|stop| stop.checked_add(i64::from(step))) {
                Some(_) => SlotType::RangeIter(if step > 0 { Direction::Up } else { Direction::Down }),
                None => SlotType::Opaque(place.0),
            }
        }
        Tag::Numpy | Tag::SeqIter | Tag::Object => return None,
    })
}

/// Appends the words of a content of a type that [`plain_type`] gives; false if `ty` is none of them.
pub fn push_plain_words(slot: &Slot, ty: &SlotType, out: &mut Vec<u64>) -> bool {
    match ty {
        SlotType::Bool | SlotType::Int | SlotType::Float => out.push(slot.a),
        SlotType::Int128 => out.extend([slot.as_i128() as u64, (slot.as_i128() >> 64) as u64]),
        SlotType::Complex => out.extend([slot.a, slot.b]),
        SlotType::RangeIter(_) => {
            let stop = range_stop(slot).unwrap_or(slot.as_i64());
            out.extend([slot.a, stop as u64, i64::from(slot.aux as i32) as u64]);
        }
        _ => return false,
    }
    true
}

/// The stop of a range iterator that is stepped by position, if it fits 64 bits.
fn range_stop(slot: &Slot) -> Option<i64> {
    let count = i64::try_from(slot.b).ok()?;
    count.checked_mul(i64::from(slot.aux as i32))?.checked_add(slot.as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(slot: Slot) -> Option<SlotType> {
        plain_type(&slot, SlotIdx(7))
    }

    #[test]
    fn ranges_are_typed_where_the_value_behind_the_last_one_fits() {
        assert_eq!(type_of(Slot::range_iter(0, 5, 1)), Some(SlotType::RangeIter(Direction::Up)));
        assert_eq!(type_of(Slot::range_iter(0, 5, -1)), Some(SlotType::RangeIter(Direction::Down)));
        assert_eq!(type_of(Slot::range_iter(i64::MAX - 2, 2, 1)), Some(SlotType::Opaque(7)));
        assert_eq!(type_of(Slot::range_iter(i64::MAX - 3, 2, 1)), Some(SlotType::RangeIter(Direction::Up)));
        assert_eq!(type_of(Slot::range_iter(i64::MIN + 2, 2, -1)), Some(SlotType::Opaque(7)));
        assert_eq!(type_of(Slot::range_iter(i64::MIN + 3, 2, -1)), Some(SlotType::RangeIter(Direction::Down)));
        assert_eq!(type_of(Slot::range_iter(0, u64::MAX, -3)), Some(SlotType::Opaque(7)));
    }

    #[test]
    fn words_are_those_that_compiled_code_reads() {
        let words = |slot: Slot, ty: SlotType| {
            let mut out = Vec::new();
            push_plain_words(&slot, &ty, &mut out).then_some(out)
        };
        assert_eq!(words(Slot::bool(false), SlotType::Bool), Some(vec![0]));
        assert_eq!(words(Slot::bool(true), SlotType::Bool), Some(vec![1]));
        assert_eq!(words(Slot::int128(-1 << 64), SlotType::Int128), Some(vec![0, u64::MAX]));
        assert_eq!(
            words(Slot::range_iter(9, 3, -2), SlotType::RangeIter(Direction::Down)),
            Some(vec![9, 3, -2i64 as u64])
        );
        assert_eq!(words(Slot::NONE, SlotType::None), None);
    }
}

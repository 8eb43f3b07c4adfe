//! The inner loops of the field's programs come out clean, and compute what they computed.

mod common;

use common::*;
use flashpoint_ir::typed::*;
use flashpoint_opt::PassOptions;

fn sum_elements() -> TypedFunction {
    let mut low = Low::new("sum_elements");
    let a = low.array(Type::I64, 1);
    let n = a.extents[0];
    low.slots = vec![a.data, n];
    let (zero, total) = (low.i64(0), low.i64(0));
    let total = low.for_range(zero, n, &[total], |low, i, vars| {
        let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
        let x = low.get(&a, &[i]);
        vec![low.add(vars[0], x)]
    });
    low.finish(Some(total[0]))
}

#[test]
fn sum_of_elements() {
    let args = vec![
        vec![ints(&[]), Arg::Int(0)],
        vec![ints(&[1, 2, 3]), Arg::Int(3)],
        vec![ints(&[1, i64::MAX, 3]), Arg::Int(3)],
    ];
    check(&sum_elements(), PassOptions::tier1(), &args);
    let (func, report) = check(&sum_elements(), PassOptions::tier2(), &args);
    println!("{func}\n{report:#?}");
}

//! What the folder computes, and what it refuses.

use super::*;
use crate::proto::AttributeProto;

fn node(operator: &str, attributes: &[(&str, &[i64])], outputs: usize) -> NodeProto {
    let attribute = attributes.iter().map(|&(name, ints)| AttributeProto {
        name: name.into(),
        i: ints.first().copied().unwrap_or(0),
        ints: ints.to_vec(),
        ..Default::default()
    });
    let output = (0..outputs).map(|index| format!("y{index}")).collect();
    NodeProto { op_type: operator.into(), attribute: attribute.collect(), output, ..Default::default() }
}

fn fold(node: &NodeProto, inputs: &[Tensor]) -> Vec<Tensor> {
    let inputs: Vec<Option<Tensor>> = inputs.iter().cloned().map(Some).collect();
    Folder::new(0).fold(node, &inputs).unwrap().unwrap()
}

fn ints(tensor: &Tensor) -> (Vec<usize>, Vec<i64>) {
    (tensor.dims.clone(), tensor.to_ints().unwrap().into_owned())
}

fn table() -> Tensor {
    Tensor::ints(vec![2, 3], vec![0, 1, 2, 10, 11, 12])
}

#[test]
fn elements_go_where_onnx_puts_them() {
    let one = |node: &NodeProto, inputs: &[Tensor]| ints(&fold(node, inputs)[0]);
    assert_eq!(
        one(&node("Transpose", &[("perm", &[1, 0])], 1), &[table()]),
        (vec![3, 2], vec![0, 10, 1, 11, 2, 12])
    );
    assert_eq!(
        one(&node("Gather", &[("axis", &[1])], 1), &[table(), Tensor::list([-1, 0])]),
        (vec![2, 2], vec![2, 0, 12, 10])
    );
    assert_eq!(
        one(&node("Gather", &[], 1), &[table(), Tensor::ints(vec![], vec![1])]),
        (vec![3], vec![10, 11, 12])
    );
    let slice = |start, end, axis, step| {
        one(
            &node("Slice", &[], 1),
            &[
                table(),
                Tensor::list([start]),
                Tensor::list([end]),
                Tensor::list([axis]),
                Tensor::list([step]),
            ],
        )
    };
    assert_eq!(slice(-2, i64::MAX, 1, 1), (vec![2, 2], vec![1, 2, 11, 12]));
    assert_eq!(slice(-1, i64::MIN, 1, -2), (vec![2, 2], vec![2, 0, 12, 10]));
    assert_eq!(slice(1, 9, 0, 1), (vec![1, 3], vec![10, 11, 12]));
    assert_eq!(
        one(&node("Concat", &[("axis", &[1])], 1), &[table(), Tensor::ints(vec![2, 1], vec![7, 8])]),
        (vec![2, 4], vec![0, 1, 2, 7, 10, 11, 12, 8])
    );
    assert_eq!(
        one(&node("Reshape", &[], 1), &[table(), Tensor::list([0, -1, 1])]),
        (vec![2, 3, 1], vec![0, 1, 2, 10, 11, 12])
    );
    assert_eq!(
        one(&node("Tile", &[], 1), &[table(), Tensor::list([1, 2])]).1,
        [0, 1, 2, 0, 1, 2, 10, 11, 12, 10, 11, 12]
    );
    let parts = fold(&node("Split", &[("axis", &[1])], 2), &[table(), Tensor::list([1, 2])]);
    assert_eq!(
        parts.iter().map(ints).collect::<Vec<_>>(),
        [(vec![2, 1], vec![0, 10]), (vec![2, 2], vec![1, 2, 11, 12])]
    );
    assert_eq!(
        one(&node("Unsqueeze", &[], 1), &[Tensor::list([5]), Tensor::list([0, -1])]),
        (vec![1, 1, 1], vec![5])
    );
}

#[test]
fn numbers_are_those_of_onnx() {
    let one = |operator: &str, inputs: &[Tensor]| ints(&fold(&node(operator, &[], 1), inputs)[0]);
    let (row, column) = (Tensor::list([1, 2]), Tensor::ints(vec![2, 1], vec![10, 20]));
    assert_eq!(one("Mul", &[row.clone(), column]), (vec![2, 2], vec![10, 20, 20, 40]));
    assert_eq!(one("Div", &[Tensor::list([-7, 7]), Tensor::list([2])]).1, [-3, 3]);
    assert_eq!(one("Mod", &[Tensor::list([-7, 7]), Tensor::list([3, -3])]).1, [2, -2]);
    assert_eq!(
        one(
            "Range",
            &[Tensor::ints(vec![], vec![1]), Tensor::ints(vec![], vec![8]), Tensor::ints(vec![], vec![3])]
        )
        .1,
        [1, 4, 7]
    );
    assert_eq!(
        one(
            "Range",
            &[Tensor::ints(vec![], vec![5]), Tensor::ints(vec![], vec![0]), Tensor::ints(vec![], vec![-2])]
        )
        .1,
        [5, 3, 1]
    );
    let sums = fold(&node("ReduceSum", &[("keepdims", &[0])], 1), &[table(), Tensor::list([0])]);
    assert_eq!(ints(&sums[0]), (vec![3], vec![10, 12, 14]));
    let chosen =
        fold(&node("Where", &[], 1), &[Tensor::bools(vec![2], vec![true, false]), row, Tensor::list([9])]);
    assert_eq!(ints(&chosen[0]).1, [1, 9]);
}

#[test]
fn memory_is_bounded_and_nothing_panics() {
    let huge = Tensor::list([1 << 31, 1 << 20]);
    let zero = Tensor::list([0]);
    let cases = [
        (node("ConstantOfShape", &[], 1), vec![huge.clone()]),
        (node("Expand", &[], 1), vec![Tensor::list([1]), Tensor::list([1 << 40])]),
        (node("Tile", &[], 1), vec![Tensor::list([1]), Tensor::list([i64::MAX])]),
        (
            node("Range", &[], 1),
            vec![
                Tensor::ints(vec![], vec![0]),
                Tensor::ints(vec![], vec![i64::MAX]),
                Tensor::ints(vec![], vec![1]),
            ],
        ),
        (node("Div", &[], 1), vec![Tensor::list([1]), zero.clone()]),
        (node("Mod", &[], 1), vec![Tensor::list([i64::MIN]), zero]),
        (node("Gather", &[], 1), vec![Tensor::list([1]), Tensor::list([i64::MIN])]),
        (node("Slice", &[], 1), vec![table(), Tensor::list([0]), Tensor::list([1]), Tensor::list([7])]),
        (node("Reshape", &[], 1), vec![table(), Tensor::list([-1, -1])]),
        (node("Squeeze", &[], 1), vec![table(), Tensor::list([i64::MIN])]),
        (node("Concat", &[("axis", &[3])], 1), vec![table()]),
        (node("Split", &[], 2), vec![table(), Tensor::list([i64::MAX, 1])]),
        (node("Transpose", &[("perm", &[0, 0])], 1), vec![table()]),
    ];
    for (node, inputs) in cases {
        let inputs: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        assert!(Folder::new(0).fold(&node, &inputs).is_err(), "{}", node.op_type);
        assert!(Folder::new(0).fold(&node, &[]).is_err(), "{}", node.op_type);
    }
}

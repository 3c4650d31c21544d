//! Functions that exporters write as several nodes.

use convscope_ops::{Gelu, GeluForm, Hardsigmoid, Hardswish, LayerNorm, Mish, Operator, Permute, Silu};

use super::normalization::rounded;
use super::{Computed, Done, Given, Importer, Value};
use crate::attributes::Attributes;
use crate::proto::NodeProto;

/// The tolerance of constants such as the root of 2, which programs write with six digits or more.
const CLOSE: f32 = 1e-4;

fn is_close(value: f32, to: f32) -> bool {
    (value - to).abs() <= CLOSE * to.abs()
}

impl<'a> Importer<'a> {
    /// The node that computes a value, if it has this operator.
    pub(super) fn node_of(&self, name: &str, operator: &str) -> Option<&'a NodeProto> {
        let node = &self.graph.node[*self.producers.get(name)?];
        (node.op_type == operator && node.domain.is_empty()).then_some(node)
    }

    /// The only number of a constant.
    fn scalar(&self, name: &str) -> Option<f32> {
        match self.values.get(name)? {
            Value::Constant(tensor) => tensor.scalar(),
            Value::Computed(_) => None,
        }
    }

    pub(super) fn computed(&self, name: &str) -> Option<Computed> {
        match self.values.get(name)? {
            Value::Computed(computed) => Some(computed.clone()),
            Value::Constant(_) => None,
        }
    }

    /// A value and the number that a node of two inputs joins it with, in either order.
    fn with_number(&self, node: &'a NodeProto) -> Option<(&'a str, f32)> {
        let [a, b] = node.input.as_slice() else { return None };
        match (self.scalar(a), self.scalar(b)) {
            (None, Some(number)) => Some((a, number)),
            (Some(number), None) => Some((b, number)),
            _ => None,
        }
    }

    /// The values and the number whose product this is; products within it are taken apart.
    fn factors(&self, node: &'a NodeProto) -> (Vec<&'a str>, f32) {
        let mut values: Vec<&str> = Vec::new();
        let mut number = 1.0;
        let mut open: Vec<&str> = node.input.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if let Some(factor) = self.scalar(name) {
                number *= factor;
            } else if let Some(inner) = self.node_of(name, "Mul").filter(|_| open.len() + values.len() < 4) {
                open.extend(inner.input.iter().map(String::as_str));
            } else if let Some((inner, divisor)) = self.quotient(name) {
                number /= divisor;
                open.push(inner);
            } else {
                values.push(name);
            }
        }
        (values, number)
    }

    /// A value divided by a number.
    fn quotient(&self, name: &str) -> Option<(&'a str, f32)> {
        let node = self.node_of(name, "Div")?;
        let divisor = self.scalar(node.input.get(1)?)?;
        Some((&node.input[0], divisor))
    }

    /// Whether a value is `factor * x`.
    fn is_multiple(&self, name: &str, x: &str, factor: f32) -> bool {
        let (values, number) = match (self.node_of(name, "Mul"), self.quotient(name)) {
            (Some(node), _) => self.factors(node),
            (None, Some((inner, divisor))) => (vec![inner], 1.0 / divisor),
            (None, None) => return false,
        };
        values == [x] && is_close(number, factor)
    }

    /// The input of `min(max(x + 3, 0), 6)`.
    fn clipped(&self, name: &str) -> Option<&'a str> {
        let clip = self.node_of(name, "Clip")?;
        let bound = |index: usize, attribute: &str| match clip.input.get(index) {
            Some(name) => self.scalar(name),
            None => clip.float(attribute),
        };
        if bound(1, "min") != Some(0.0) || bound(2, "max") != Some(6.0) {
            return None;
        }
        let (x, offset) = self.with_number(self.node_of(&clip.input[0], "Add")?)?;
        (offset == 3.0).then_some(x)
    }

    /// The input of a function of one node, `1 + function(...)`.
    fn one_plus(&self, name: &str, function: &str) -> Option<&'a str> {
        let (inner, one) = self.with_number(self.node_of(name, "Add")?)?;
        (one == 1.0).then_some(self.node_of(inner, function)?.input.first()?)
    }

    /// Whether a value is `sqrt(2 / pi) * (x + 0.044715 * x^3)`.
    fn is_cubic(&self, name: &str, x: &str) -> bool {
        let Some(node) = self.node_of(name, "Mul") else { return false };
        let (values, number) = self.factors(node);
        let [sum] = values.as_slice() else { return false };
        let Some(sum) = self.node_of(sum, "Add").filter(|_| is_close(number, 0.797_884_6)) else {
            return false;
        };
        let [a, b] = sum.input.as_slice() else { return false };
        let cube = if a == x { b } else { a };
        if a != x && b != x {
            return false;
        }
        let Some(product) = self.node_of(cube, "Mul") else { return false };
        let (values, number) = self.factors(product);
        let is_cube = match values.as_slice() {
            [cube] => self
                .node_of(cube, "Pow")
                .is_some_and(|pow| pow.input[0] == x && self.scalar(&pow.input[1]) == Some(3.0)),
            values => values.len() == 3 && values.iter().all(|&value| value == x),
        };
        is_cube && is_close(number, 0.044_715)
    }

    /// The function that a product is.
    pub(super) fn pattern_of_product(&mut self, given: &Given<'a, '_>) -> Done<Option<Computed>> {
        let (values, number) = self.factors(given.node);
        let found: Option<(&str, Operator)> = match values.as_slice() {
            [only] => {
                self.clipped(only).filter(|_| is_close(number, 1.0 / 6.0)).map(|x| (x, Hardsigmoid {}.into()))
            }
            [a, b] => [(*a, *b), (*b, *a)]
                .into_iter()
                .find_map(|(x, y)| self.product_with(x, y, number).map(|operator| (x, operator))),
            _ => None,
        };
        let Some((x, operator)) = found else { return Ok(None) };
        let Some(input) = self.computed(x) else { return Ok(None) };
        self.emit(operator, &[&input], Vec::new()).map(Some)
    }

    /// The function that `number * x * y` is.
    fn product_with(&self, x: &str, y: &str, number: f32) -> Option<Operator> {
        let input_of = |function: &str| self.node_of(y, function).and_then(|node| node.input.first());
        if number == 1.0 {
            if input_of("Sigmoid").is_some_and(|input| input == x) {
                return Some(Silu {}.into());
            }
            if let Some(node) = self.node_of(y, "HardSigmoid")
                && node.input[0] == x
                && is_close(node.float("alpha").unwrap_or(0.2), 1.0 / 6.0)
                && node.float("beta").unwrap_or(0.5) == 0.5
            {
                return Some(Hardswish {}.into());
            }
            let inner = input_of("Tanh").and_then(|inner| self.node_of(inner, "Softplus"));
            if inner.is_some_and(|node| node.input[0] == x) {
                return Some(Mish {}.into());
            }
        }
        if is_close(number, 1.0 / 6.0) && self.clipped(y) == Some(x) {
            return Some(Hardswish {}.into());
        }
        if number == 0.5 {
            if self
                .one_plus(y, "Erf")
                .is_some_and(|inner| self.is_multiple(inner, x, std::f32::consts::FRAC_1_SQRT_2))
            {
                return Some(Gelu::default().into());
            }
            if self.one_plus(y, "Tanh").is_some_and(|inner| self.is_cubic(inner, x)) {
                return Some(Gelu { approximate: GeluForm::Tanh }.into());
            }
        }
        None
    }

    /// The function that a quotient is.
    pub(super) fn pattern_of_quotient(&mut self, given: &Given<'a, '_>) -> Done<Option<Computed>> {
        let [a, b] = given.node.input.as_slice() else { return Ok(None) };
        if let Some(divisor) = self.scalar(b) {
            let found: Option<(&str, Operator)> = match (self.clipped(a), self.node_of(a, "Mul")) {
                (Some(x), _) if divisor == 6.0 => Some((x, Hardsigmoid {}.into())),
                (None, Some(product)) => match self.factors(product) {
                    (values, number) if values.len() == 2 => {
                        [(0, 1), (1, 0)].into_iter().find_map(|(x, y)| {
                            self.product_with(values[x], values[y], number / divisor)
                                .map(|operator| (values[x], operator))
                        })
                    }
                    _ => None,
                },
                _ => None,
            };
            let Some((x, operator)) = found else { return Ok(None) };
            let Some(input) = self.computed(x) else { return Ok(None) };
            return self.emit(operator, &[&input], Vec::new()).map(Some);
        }
        self.standardized(a, b)
    }

    /// `(x - mean) / sqrt(mean((x - mean)^2) + eps)`: a layer normalisation before its weight.
    fn standardized(&mut self, centered: &'a str, deviation: &'a str) -> Done<Option<Computed>> {
        let Some((x, eps, over)) = self.standardized_over(centered, deviation) else { return Ok(None) };
        let Some(input) = self.computed(x) else { return Ok(None) };
        let Some(axes) = input.axes.clone() else { return Ok(None) };
        let rank = axes.len() as i64 + 1;
        let mut over: Vec<i64> =
            over.into_iter().map(|at| if at < 0 { at.saturating_add(rank) } else { at }).collect();
        over.sort_unstable();
        let eps = rounded(f64::from(eps));
        let operator = |normalized: &[usize]| LayerNorm {
            eps,
            elementwise_affine: false,
            bias: false,
            ..LayerNorm::new(normalized.to_vec())
        };
        if let Some(first) = over.first().copied()
            && first > 0
            && over == (first..rank).collect::<Vec<_>>()
        {
            return self.emit(operator(&axes[first as usize - 1..]), &[&input], Vec::new()).map(Some);
        }
        if over == [1] && axes.len() == 3 {
            // Over the channels of each pixel, which come last for the operator.
            let turned = self.emit(Permute { dims: vec![0, 2, 3, 1] }, &[&input], Vec::new())?;
            let output = self.emit(operator(&axes[..1]), &[&turned], Vec::new())?;
            return self.emit(Permute { dims: vec![0, 3, 1, 2] }, &[&output], Vec::new()).map(Some);
        }
        Ok(None)
    }

    fn standardized_over(&self, centered: &'a str, deviation: &'a str) -> Option<(&'a str, f32, Vec<i64>)> {
        let sub = self.node_of(centered, "Sub")?;
        let [x, mean] = sub.input.as_slice() else { return None };
        let over = self.mean_over(mean, |input| input == x)?;
        let sum = self.node_of(self.node_of(deviation, "Sqrt")?.input.first()?, "Add")?;
        let (variance, eps) = self.with_number(sum)?;
        let is_square = |name: &str| {
            // The difference may be computed twice.
            let is_centered = |name: &str| {
                name == centered || self.node_of(name, "Sub").is_some_and(|other| other.input == sub.input)
            };
            let is_pow = self
                .node_of(name, "Pow")
                .is_some_and(|pow| is_centered(&pow.input[0]) && self.scalar(&pow.input[1]) == Some(2.0));
            is_pow
                || self
                    .node_of(name, "Mul")
                    .is_some_and(|mul| mul.input.iter().all(|input| is_centered(input)))
        };
        let same = self.mean_over(variance, is_square)?;
        (same == over).then_some((x.as_str(), eps, over))
    }

    /// The axes of a mean of a value, which are kept.
    fn mean_over(&self, name: &str, of: impl Fn(&str) -> bool) -> Option<Vec<i64>> {
        let node = self.node_of(name, "ReduceMean")?;
        if node.int("keepdims").unwrap_or(1) != 1 || !of(node.input.first()?) {
            return None;
        }
        match node.input.get(1).and_then(|axes| self.values.get(axes.as_str())) {
            Some(Value::Constant(axes)) => axes.to_ints().ok().map(|axes| axes.into_owned()),
            _ => node.ints("axes").map(<[i64]>::to_vec),
        }
    }
}

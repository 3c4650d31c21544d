//! Computes nodes whose inputs are all constants, as exporters write them around shapes.

mod arithmetic;
mod places;
mod reduce;

use crate::OnnxError;
use crate::attributes::Attributes;
use crate::proto::NodeProto;
use crate::tensor::{self, Tensor};

/// The folder, with what it may still allocate.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Elements of results that may still be made.
    left: usize,
}

impl Folder {
    /// A folder for a file whose constants have so many elements together.
    pub(crate) fn new(elements: usize) -> Folder {
        Folder { left: (1 << 22) + elements.saturating_mul(4) }
    }

    /// The outputs of a node, or none if it is not an operator, or not a form of one, that is computed here.
    ///
    /// # Errors
    /// Inputs that do not fit the operator; more elements than a file of its size may ask for.
    pub(crate) fn fold(
        &mut self,
        node: &NodeProto,
        inputs: &[Option<Tensor>],
    ) -> Result<Option<Vec<Tensor>>, OnnxError> {
        let folding = Folding { folder: self, node, inputs };
        match folding.run() {
            Ok(outputs) => Ok(Some(outputs)),
            Err(Stop::NotHere) => Ok(None),
            Err(Stop::Wrong(problem)) => {
                let name = node.output.first().map_or(node.name.as_str(), String::as_str);
                Err(OnnxError::structure(name, format!("{} of constants: {problem}", node.op_type)))
            }
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Takes the elements of an array of these axes from what is left.
    fn take(&mut self, dims: &[usize]) -> Result<usize, Stop> {
        let len = tensor::elements(dims).filter(|&len| len <= self.left);
        let len = len.ok_or_else(|| {
            Stop::Wrong(format!("the result would have the axes {dims:?}, which is too large"))
        })?;
        self.left -= len;
        Ok(len)
    }
}

/// Why a node is not computed.
enum Stop {
    /// Something that the folder does not do.
    NotHere,
    /// Inputs that do not fit.
    Wrong(String),
    Error(OnnxError),
}

impl From<OnnxError> for Stop {
    fn from(error: OnnxError) -> Stop {
        Stop::Error(error)
    }
}

pub(crate) use places::{reshaped, split_sizes, squeezed, stretch, unsqueezed};

/// Most elements of an array that is one number again and again.
const MOST_FILLED: usize = 1 << 28;

type Folded<T> = Result<T, Stop>;

/// One node being computed.
struct Folding<'a> {
    folder: &'a mut Folder,
    node: &'a NodeProto,
    inputs: &'a [Option<Tensor>],
}

impl Folding<'_> {
    fn run(mut self) -> Folded<Vec<Tensor>> {
        let node = self.node;
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(Stop::NotHere);
        }
        let one = |tensor: Tensor| Ok(vec![tensor]);
        match node.op_type.as_str() {
            "Constant" => one(self.constant()?),
            "Identity" => one(self.input(0)?.clone()),
            "Shape" => {
                let dims = self.input(0)?.dims.clone();
                one(shape_of(node, &dims))
            }
            "Size" => one(Tensor::ints(vec![], vec![self.input(0)?.len() as i64])),
            "ConstantOfShape" => one(self.constant_of_shape()?),
            "Range" => one(self.range()?),
            "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Min" | "Max" | "Equal" | "Less" | "Greater"
            | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" => one(self.binary()?),
            "Where" => one(self.choose()?),
            "Cast" => one(self.cast()?),
            "Abs" | "Neg" | "Ceil" | "Floor" | "Round" | "Sqrt" | "Exp" | "Log" | "Reciprocal" | "Not"
            | "Relu" | "Clip" => one(self.unary()?),
            "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => one(self.reduce()?),
            "Gather" => one(self.gather()?),
            "Concat" => one(self.concat()?),
            "Reshape" => one(self.reshape()?),
            "Flatten" => one(self.flatten()?),
            "Squeeze" => one(self.squeeze()?),
            "Unsqueeze" => one(self.unsqueeze()?),
            "Slice" => one(self.slice()?),
            "Split" => self.split(),
            "Transpose" => one(self.transpose()?),
            "Expand" => one(self.expand()?),
            "Tile" => one(self.tile()?),
            _ => Err(Stop::NotHere),
        }
    }

    fn input(&self, index: usize) -> Folded<&Tensor> {
        let input = self.optional(index).ok_or_else(|| Stop::Wrong(format!("input {index} is missing")))?;
        let moves = matches!(
            self.node.op_type.as_str(),
            "Identity" | "Reshape" | "Shape" | "Squeeze" | "Unsqueeze" | "Flatten"
        );
        if matches!(input.data, tensor::Data::Filled(_)) && !moves && input.len() > self.folder.left {
            return Err(Stop::Wrong(format!("an input has the axes {:?}, which is too large", input.dims)));
        }
        Ok(input)
    }

    fn optional(&self, index: usize) -> Option<&Tensor> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// The integers of an input, or of an attribute as older versions have it.
    fn ints(&self, index: usize, attribute: &str) -> Folded<Option<Vec<i64>>> {
        match (self.optional(index), self.node.ints(attribute)) {
            (Some(tensor), _) => Ok(Some(tensor.to_ints()?.into_owned())),
            (None, Some(ints)) => Ok(Some(ints.to_vec())),
            (None, None) => Ok(None),
        }
    }

    fn constant(&mut self) -> Folded<Tensor> {
        let node = self.node;
        if let Some(tensor) = node.tensor("value") {
            return Ok(Tensor::new(tensor.clone(), None)?);
        }
        if let Some(value) = node.float("value_float") {
            return Ok(Tensor::floats(vec![], vec![value]));
        }
        if let Some(value) = node.int("value_int") {
            return Ok(Tensor::ints(vec![], vec![value]));
        }
        if let Some(values) = node.floats("value_floats") {
            return Ok(Tensor::floats(vec![values.len()], values.to_vec()));
        }
        if let Some(values) = node.ints("value_ints") {
            return Ok(Tensor::list(values.iter().copied()));
        }
        Err(Stop::NotHere)
    }

    fn constant_of_shape(&mut self) -> Folded<Tensor> {
        let dims = tensor::dims(&self.input(0)?.to_ints()?).map_err(Stop::Wrong)?;
        let value = match self.node.tensor("value") {
            Some(value) => Tensor::new(value.clone(), None)?,
            None => Tensor::floats(vec![1], vec![0.0]),
        };
        if value.len() != 1 {
            return Err(Stop::Wrong(format!("its value has the axes {:?}", value.dims)));
        }
        if value.kind() == tensor::Kind::Float
            && tensor::elements(&dims).is_some_and(|len| len <= MOST_FILLED)
        {
            // Weights that are made up, as in ONNX's light networks, take memory only where they are used.
            return Ok(Tensor { dims, data: tensor::Data::Filled(value.to_floats()?[0]) });
        }
        let len = self.folder.take(&dims)?;
        Ok(match value.kind() {
            tensor::Kind::Float => Tensor::floats(dims, vec![value.to_floats()?[0]; len]),
            tensor::Kind::Int => Tensor::ints(dims, vec![value.to_ints()?[0]; len]),
            tensor::Kind::Bool => Tensor::bools(dims, vec![value.to_bools()?[0]; len]),
        })
    }

    fn range(&mut self) -> Folded<Tensor> {
        let [start, limit, delta] = [self.input(0)?, self.input(1)?, self.input(2)?];
        if [start, limit, delta].iter().any(|tensor| tensor.len() != 1) {
            return Err(Stop::Wrong("start, limit and delta are single numbers".into()));
        }
        if start.kind() == tensor::Kind::Int {
            let [start, limit, delta] =
                [start.to_ints()?[0], limit.to_ints()?[0], delta.to_ints()?[0]].map(i128::from);
            if delta == 0 {
                return Err(Stop::Wrong("delta is 0".into()));
            }
            let count = (limit - start + delta - delta.signum()).div_euclid(delta).max(0);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.folder.take(&[count])?;
            return Ok(Tensor::list((0..count as i128).map(|index| (start + index * delta) as i64)));
        }
        let [start, limit, delta] = [start.to_floats()?[0], limit.to_floats()?[0], delta.to_floats()?[0]];
        let count = ((limit - start) / delta).ceil().max(0.0);
        if !count.is_finite() {
            return Err(Stop::Wrong(format!("from {start} to {limit} by {delta} has no end")));
        }
        let count = count as usize;
        self.folder.take(&[count])?;
        Ok(Tensor::floats(vec![count], (0..count).map(|index| start + index as f32 * delta).collect()))
    }
}

/// The axes as a constant; newer versions can ask for a part of them.
pub(crate) fn shape_of(node: &NodeProto, dims: &[usize]) -> Tensor {
    let rank = dims.len() as i64;
    let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = place(node.int("start").unwrap_or(0));
    let end = place(node.int("end").unwrap_or(rank)).max(start);
    Tensor::list(dims[start..end].iter().map(|&axis| axis as i64))
}

/// The axis counted from the front.
fn axis(at: i64, rank: usize) -> Folded<usize> {
    let from_front = if at < 0 { at.saturating_add(rank as i64) } else { at };
    let place = usize::try_from(from_front).ok().filter(|&place| place < rank);
    place.ok_or_else(|| Stop::Wrong(format!("there is no axis {at} among {rank}")))
}

/// Arrays of one kind with their axes, to move elements whatever they are.
macro_rules! moved {
    ($tensor:expr, $dims:expr, $move:expr) => {{
        let tensor = $tensor;
        match tensor.kind() {
            $crate::tensor::Kind::Float => Tensor::floats($dims, $move(&tensor.to_floats()?)),
            $crate::tensor::Kind::Int => Tensor::ints($dims, $move(&tensor.to_ints()?)),
            $crate::tensor::Kind::Bool => Tensor::bools($dims, $move(&tensor.to_bools()?)),
        }
    }};
}
use moved;

#[cfg(test)]
mod tests;

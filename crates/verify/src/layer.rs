//! Operators that are called as any layer is: inputs and parameters by their names.

use std::collections::BTreeMap;

use convscope_ops::{
    OpError, Operator, Parameter, ParameterSpec, Registered, Role, Shape, apply, apply_backward,
};
use ndarray::{ArrayD, ArrayViewD};

use crate::given::{Given, How};
use crate::{OperatorCall, Tensor, VerifyError};

/// Tensors that are parameters of the layer, not inputs.
const PARAMETERS: [&str; 2] = ["weight", "bias"];

/// Runs an operator; with a gradient by its output, backward too.
pub(crate) fn run(
    known: &Registered,
    call: &OperatorCall,
    how: How<'_>,
) -> Result<BTreeMap<String, Tensor>, VerifyError> {
    let given = Given::new(known.name, call, how);
    let wrong = |error| VerifyError::arguments(known.name, &error);
    let operator = known.parse(call.arguments.clone()).map_err(wrong)?;
    let names = known.tensors.iter().copied().filter(|name| !PARAMETERS.contains(name) && given.has(name));
    let more = (2..).map(|count| format!("other_{count}")).take_while(|name| given.has(name));
    let names: Vec<String> = names.map(str::to_owned).chain(more).collect();
    let inputs: Vec<&ArrayD<f32>> = names.iter().map(|name| given.values(name)).collect::<Result<_, _>>()?;
    let views = || inputs.iter().map(|input| input.view()).collect::<Vec<ArrayViewD<'_, f32>>>();
    let specs = specs(&operator, &inputs)?;
    let takes =
        |name: &str| names.iter().any(|known| known == name) || specs.iter().any(|spec| spec.name == name);
    if let Some(unknown) = call.tensors.keys().find(|name| !takes(name)) {
        let all: Vec<&str> =
            known.tensors.iter().copied().chain(specs.iter().map(|spec| spec.name)).collect();
        let problem = format!("is unknown; there are {}", all.join(", "));
        return Err(VerifyError::tensor(known.name, unknown, problem));
    }
    let parameters =
        specs.iter().map(|spec| parameter(&given, known, spec)).collect::<Result<Vec<_>, _>>()?;
    let How { mode, sample, wanted } = how;
    let mut results = BTreeMap::new();
    if wanted.output() {
        let applied = apply(operator.layer(), &views(), parameters.clone(), mode, sample)?;
        results.insert("output".to_owned(), Tensor::from(applied.output));
    }
    if let Some(d) = wanted.d_output() {
        let gradients =
            apply_backward(operator.layer(), d.view(), &views(), parameters.clone(), mode, sample)?;
        for (name, d_input) in names.iter().zip(gradients.d_inputs) {
            results.insert(format!("grad.{name}"), d_input.into());
        }
        let trained =
            parameters.iter().zip(gradients.d_parameters).filter(|(_, gradient)| !gradient.is_empty());
        for (parameter, gradient) in trained {
            let array =
                ArrayD::from_shape_vec(parameter.values.raw_dim(), gradient).expect("a value for each");
            results.insert(format!("grad.{}", parameter.key), array.into());
        }
    }
    Ok(results)
}

/// The parameters that an operator needs for these inputs.
fn specs(operator: &Operator, inputs: &[&ArrayD<f32>]) -> Result<Vec<ParameterSpec>, OpError> {
    let shapes: Vec<Shape> = inputs
        .iter()
        .map(|input| Shape::new(input.shape().get(1..).unwrap_or(&[])))
        .collect::<Result<_, _>>()?;
    operator.layer().output_shape(&shapes)?;
    Ok(operator.layer().parameters(&shapes))
}

fn parameter(given: &Given<'_>, known: &Registered, spec: &ParameterSpec) -> Result<Parameter, VerifyError> {
    let mut parameter = Parameter::zeros(spec.name, spec)
        .map_err(|error| VerifyError::Arguments { operator: known.name, problem: error.to_string() })?;
    if spec.role == Role::BatchesTracked {
        return Ok(parameter);
    }
    let values = given.values(spec.name)?;
    if values.shape() != spec.shape {
        let problem = format!("has shape {:?}, must have {:?}", values.shape(), spec.shape);
        return Err(VerifyError::tensor(known.name, spec.name, problem));
    }
    parameter.values = values.as_standard_layout().into_owned();
    Ok(parameter)
}

//! A file and the networks in it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use convscope_graph::limits::MOST_WEIGHTS_BYTES;
use convscope_graph::{Graph, InputDescription, ModelDescription, Parameters};
use convscope_ops::{Parameter, ParameterSpec, Role};
use prost::Message;

use crate::ends::Ends;
use crate::import::{Finished, Importer, Value};
use crate::proto::{DataType, DimensionValue, ModelProto, TypeValue, ValueInfoProto};
use crate::tensor::Tensor;
use crate::{OnnxError, names};

/// Most rows and columns of an image, as of a network's.
const MOST_SIDE: i64 = 1 << 24;

/// Most images that a file may ask for at once.
const MOST_IMAGES: i64 = 1024;

/// An ONNX file in memory.
pub struct OnnxFile {
    file: String,
    model: ModelProto,
    constants: Vec<(String, Tensor)>,
    opset: i64,
}

/// Which of the networks in a file is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Rows and columns of the image where the file leaves them open.
    pub size: Option<[usize; 2]>,
    /// The output of this name; default the first.
    pub output: Option<String>,
    /// What the network is for; with [`Ends::AsInFile`] and no output named, it has all outputs.
    pub ends: Ends,
}

/// A network from a file.
pub struct OnnxNetwork {
    file: String,
    finished: Finished,
    classes: Option<Vec<String>>,
    input: Option<InputDescription>,
}

/// The value of an input in a test.
pub(crate) enum Given<'a> {
    /// The network has it as an input, of these axes after the batch axis.
    Input { name: &'a str, axes: Vec<usize> },
    /// The network has it as a constant.
    Constant { name: &'a str, tensor: Tensor },
}

impl OnnxFile {
    /// Reads a file; arrays in other files are found in its folder.
    ///
    /// # Errors
    /// The file cannot be read, is too large or damaged; an array has other numbers than its axes say, or is outside the folder.
    pub fn read(path: &Path) -> Result<OnnxFile, OnnxError> {
        let file = path.display().to_string();
        let error = |source| OnnxError::Read { file: file.clone(), source };
        let bytes = convscope_files::open(path).and_then(|file| file.metadata()).map_err(error)?.len();
        if bytes > MOST_WEIGHTS_BYTES {
            return Err(OnnxError::TooLarge { file, bytes, most: MOST_WEIGHTS_BYTES });
        }
        let bytes = convscope_files::read(path).map_err(error)?;
        let folder = path
            .parent()
            .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() });
        OnnxFile::decode(&file, bytes, folder.as_deref())
    }

    /// The file of these bytes; `file` is its name in errors. Arrays cannot be in other files.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_bytes(file: &str, bytes: Vec<u8>) -> Result<OnnxFile, OnnxError> {
        OnnxFile::decode(file, bytes, None)
    }

    fn decode(file: &str, bytes: Vec<u8>, folder: Option<&Path>) -> Result<OnnxFile, OnnxError> {
        let error = |source| OnnxError::Decode { file: file.to_owned(), source };
        crate::wire::check(&bytes).map_err(|problem| OnnxError::structure(file, problem))?;
        let mut model = ModelProto::decode(Bytes::from(bytes)).map_err(error)?;
        let Some(graph) = &mut model.graph else {
            return Err(OnnxError::structure(file, "has no network"));
        };
        let constants = std::mem::take(&mut graph.initializer).into_iter().map(|mut tensor| {
            let name = std::mem::take(&mut tensor.name);
            tensor.name.clone_from(&name);
            Ok((name, Tensor::new(tensor, folder)?))
        });
        let constants = constants.collect::<Result<_, OnnxError>>()?;
        let own = model.opset_import.iter().filter(|set| set.domain.is_empty() || set.domain == "ai.onnx");
        let opset = own.map(|set| set.version).max().unwrap_or(1);
        Ok(OnnxFile { file: file.to_owned(), model, constants, opset })
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.model.graph.iter().flat_map(|graph| &graph.output).map(|output| output.name.as_str())
    }

    /// Channels, rows and columns of the image, as far as the file says them.
    ///
    /// # Errors
    /// No input that is an image.
    pub fn image(&self) -> Result<[Option<usize>; 3], OnnxError> {
        let input = self.inputs().next().ok_or_else(|| OnnxError::structure(&self.file, "has no input"))?;
        let axes = self.axes(input)?;
        match axes.as_slice() {
            [_, axes @ ..] if axes.len() == 3 => Ok([axes[0], axes[1], axes[2]]),
            axes => Err(OnnxError::structure(
                &input.name,
                format!("is an input of {} axes, an image has 4", axes.len()),
            )),
        }
    }

    /// The names of the classes, if the metadata has them.
    pub fn classes(&self) -> Option<Vec<String>> {
        names::classes(&self.model)
    }

    /// The network, for this image size and output.
    ///
    /// # Errors
    /// [`OnnxError::Unsupported`] with all operators that are not supported; nodes whose inputs are not there or do not fit;
    /// an image size that the file leaves open and `options` too.
    pub fn network(&self, options: &OnnxOptions) -> Result<OnnxNetwork, OnnxError> {
        let mut inputs = Vec::new();
        let mut batch = 1;
        for (index, input) in self.inputs().enumerate() {
            let axes = self.axes(input)?;
            let Some((&first, axes)) = axes.split_first() else {
                return Err(OnnxError::structure(
                    &input.name,
                    "is an input without axes; the first is that of the batch",
                ));
            };
            if index == 0 {
                batch = first.unwrap_or(1);
            }
            let mut known = Vec::with_capacity(axes.len());
            for (at, axis) in axes.iter().enumerate() {
                let size =
                    if axes.len() == 3 && at > 0 { options.size.map(|size| size[at - 1]) } else { None };
                let len = axis.or(size).ok_or_else(|| {
                    OnnxError::structure(
                        &input.name,
                        format!("is an input whose axis {} has no fixed length, which must be given", at + 1),
                    )
                })?;
                known.push(len);
            }
            if let (Some(size), [_, rows, columns]) = (options.size, known.as_slice())
                && size != [*rows, *columns]
            {
                let problem =
                    format!("is an input of {rows} x {columns} pixels, not {} x {}", size[0], size[1]);
                return Err(OnnxError::structure(&input.name, problem));
            }
            inputs.push((input.name.as_str(), known));
        }
        let constants = self.constants.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        self.import(batch, inputs, constants, options)
    }

    fn import<'a>(
        &'a self,
        batch: usize,
        inputs: Vec<(&'a str, Vec<usize>)>,
        constants: Vec<(&'a str, Tensor)>,
        options: &OnnxOptions,
    ) -> Result<OnnxNetwork, OnnxError> {
        let graph =
            self.model.graph.as_ref().ok_or_else(|| OnnxError::structure(&self.file, "has no network"))?;
        let mut importer = Importer::new(graph, self.opset, batch, inputs, constants);
        importer.run()?;
        let all: Vec<&str> = self.outputs().collect();
        let wanted = match &options.output {
            Some(name) if all.contains(&name.as_str()) => vec![name.as_str()],
            Some(name) => {
                let shown = all.join(", ");
                return Err(OnnxError::structure(
                    &self.file,
                    format!("has no output '{name}'; its outputs are {shown}"),
                ));
            }
            None if options.ends == Ends::AsInFile => all,
            None => all.into_iter().take(1).collect(),
        };
        if wanted.is_empty() {
            return Err(OnnxError::structure(&self.file, "has no output"));
        }
        let finished = importer.finish(&self.file, &wanted, options.ends)?;
        let (classes, input) = (self.classes(), names::input(&self.model));
        Ok(OnnxNetwork { file: self.file.clone(), finished, classes, input })
    }

    /// The network of these inputs and constants.
    pub(crate) fn network_of<'a>(
        &'a self,
        batch: usize,
        given: Vec<Given<'a>>,
        options: &OnnxOptions,
    ) -> Result<OnnxNetwork, OnnxError> {
        let mut inputs = Vec::new();
        let mut constants: Vec<(&str, Tensor)> =
            self.constants.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        for given in given {
            match given {
                Given::Input { name, axes } => inputs.push((name, axes)),
                Given::Constant { name, tensor } => constants.push((name, tensor)),
            }
        }
        self.import(batch, inputs, constants, options)
    }

    /// The outputs if all of them are constants.
    pub(crate) fn fold_all<'a>(
        &'a self,
        given: Vec<(&'a str, Tensor)>,
    ) -> Result<Option<Vec<Tensor>>, OnnxError> {
        let Some(graph) = &self.model.graph else { return Ok(None) };
        let own = self.constants.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()));
        let mut importer = Importer::new(graph, self.opset, 1, Vec::new(), own.chain(given).collect());
        importer.run()?;
        let outputs = self.outputs().map(|name| match importer.value(name) {
            Some(Value::Constant(tensor)) => Some(tensor.clone()),
            _ => None,
        });
        Ok(outputs.collect())
    }

    /// How many images the network takes at once: 1 if it takes any number.
    pub(crate) fn images(&self) -> usize {
        let shape = self.inputs().next().and_then(|input| match input.r#type.as_ref()?.value.as_ref()? {
            TypeValue::TensorType(tensor) => tensor.shape.as_ref(),
        });
        match shape.and_then(|shape| shape.dim.first()?.value.as_ref()) {
            Some(&DimensionValue::DimValue(images @ 1..=MOST_IMAGES)) => images as usize,
            _ => 1,
        }
    }

    /// Whether the image has its channels last in the file.
    pub(crate) fn is_channels_last(&self) -> bool {
        let input = self.inputs().next();
        let graph = self.model.graph.as_ref();
        input.zip(graph).is_some_and(|(input, graph)| names::is_channels_last(graph, &input.name))
    }

    /// The names of the inputs that are not constants.
    pub(crate) fn input_names(&self) -> Vec<String> {
        self.inputs().map(|input| input.name.clone()).collect()
    }

    /// The type of the numbers of an input.
    pub(crate) fn input_type(&self, index: usize) -> Option<DataType> {
        type_of(self.inputs().nth(index)?)
    }

    /// The types of the numbers of the outputs.
    pub(crate) fn output_types(&self) -> impl Iterator<Item = Option<DataType>> {
        self.model.graph.iter().flat_map(|graph| &graph.output).map(type_of)
    }

    /// The operators of the network, each once.
    pub(crate) fn operators(&self) -> Vec<String> {
        let nodes = self.model.graph.iter().flat_map(|graph| &graph.node);
        let mut operators: Vec<String> = nodes.map(|node| node.op_type.clone()).collect();
        operators.sort();
        operators.dedup();
        operators
    }

    /// Inputs whose n numbers are 0, 1/n, 2/n and so on, as ONNX's light networks have them.
    pub(crate) fn made_up_inputs(&self) -> Result<Vec<Tensor>, OnnxError> {
        let made_up = |input| {
            let dims = self.axes(input)?.into_iter().map(|axis| axis.unwrap_or(1)).collect::<Vec<_>>();
            let len = crate::tensor::elements(&dims).filter(|&len| len <= 1 << 26);
            let len =
                len.ok_or_else(|| OnnxError::structure(&input.name, "is an input that is too large"))?;
            Ok(Tensor::floats(dims, (0..len).map(|index| index as f32 / len as f32).collect()))
        };
        self.inputs().map(made_up).collect()
    }

    /// The inputs that are not constants.
    fn inputs(&self) -> impl Iterator<Item = &ValueInfoProto> {
        let is_constant = |name: &str| self.constants.iter().any(|(constant, _)| constant == name);
        self.model.graph.iter().flat_map(|graph| &graph.input).filter(move |input| !is_constant(&input.name))
    }

    /// The axes of an input, channels first, as far as they are fixed.
    fn axes(&self, input: &ValueInfoProto) -> Result<Vec<Option<usize>>, OnnxError> {
        let wrong = |problem: &str| OnnxError::structure(&input.name, problem);
        let Some(TypeValue::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref())
        else {
            return Err(wrong("is an input that is no array"));
        };
        let is_float = [DataType::Float, DataType::Float16, DataType::Bfloat16, DataType::Double]
            .iter()
            .any(|&kind| kind as i32 == tensor.elem_type);
        if !is_float {
            return Err(wrong("is an input of whole numbers; images are numbers with fractions"));
        }
        let shape = tensor.shape.as_ref().ok_or_else(|| wrong("is an input whose axes are not said"))?;
        let len = |value: Option<&DimensionValue>| match value {
            Some(&DimensionValue::DimValue(len @ 1..=MOST_SIDE)) => Ok(Some(len as usize)),
            Some(&DimensionValue::DimValue(len)) if len < 1 => Ok(None),
            Some(DimensionValue::DimValue(_)) => Err(wrong("is an input with an axis that is too long")),
            _ => Ok(None),
        };
        let mut axes =
            shape.dim.iter().map(|axis| len(axis.value.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let is_image = axes.len() == 4;
        if is_image
            && self.model.graph.as_ref().is_some_and(|graph| names::is_channels_last(graph, &input.name))
        {
            axes = vec![axes[0], axes[3], axes[1], axes[2]];
        }
        Ok(axes)
    }
}

/// The type of the numbers of an array.
fn type_of(value: &ValueInfoProto) -> Option<DataType> {
    match value.r#type.as_ref()?.value.as_ref()? {
        TypeValue::TensorType(tensor) => DataType::try_from(tensor.elem_type).ok(),
    }
}

impl OnnxNetwork {
    /// The network as a description.
    pub fn description(&self) -> &ModelDescription {
        &self.finished.description
    }

    /// The names of the classes, if the metadata of the file has them.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// How pictures are prepared for the network, if the metadata of the file says so: an export of this program has that.
    pub fn input(&self) -> Option<&InputDescription> {
        self.input.as_ref()
    }

    /// Names of values in the file with the nodes of the network that compute them, in the order of the file.
    pub fn values(&self) -> &[(String, String)] {
        &self.finished.values
    }

    /// The arrays for a graph of this description.
    ///
    /// # Errors
    /// An array that cannot be read or has not as many numbers as the network needs.
    pub fn parameters(&self, graph: &Graph) -> Result<Parameters, OnnxError> {
        let nodes: std::collections::HashMap<&str, &convscope_graph::Node> =
            graph.nodes().iter().map(|node| (node.name.as_str(), node)).collect();
        Parameters::from_arrays(graph, |key, spec| {
            let node = key.strip_suffix(spec.name).map_or(key, |node| node.strip_suffix('.').unwrap_or(node));
            let array =
                nodes.get(node).and_then(|node| self.finished.arrays.get(&(node.name.clone(), spec.name)));
            self.parameter(key, spec, array)
        })
    }

    fn parameter(
        &self,
        key: &str,
        spec: &ParameterSpec,
        array: Option<&crate::import::Array>,
    ) -> Result<Parameter, OnnxError> {
        let wrong = |problem: String| OnnxError::structure(&self.file, problem);
        let needed: usize = spec.shape.iter().product();
        if spec.role == Role::BatchesTracked {
            return Ok(Parameter::zeros(key, spec)?);
        }
        let array = array.ok_or_else(|| wrong(format!("has no array for '{key}'")))?;
        if let Some(found) = array.len().filter(|&found| found != needed) {
            return Err(wrong(format!("has {found} numbers for '{key}', which needs {needed}")));
        }
        let mut parameter = Parameter::zeros(key, spec)?;
        array.write(parameter.slice_mut())?;
        Ok(parameter)
    }
}

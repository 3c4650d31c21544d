//! A trained network as a Python file that runs by itself: the module, its weights and what is done to a picture.

use convscope_graph::{Graph, InputDescription};

use crate::ReportError;
use crate::torch::{module, quoted};

/// What a network's file says beside its module.
#[derive(Clone, Copy, Debug)]
pub struct TorchFile<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Names of the classes, in the order of the outputs.
    pub classes: &'a [String],
    /// What is done to a picture.
    pub input: &'a InputDescription,
    /// The name of the weights file in the same folder.
    pub weights: &'a str,
}

/// The source of the file: the class `Network`, `CLASSES`, `load()` and, for networks of pictures, `prepare(file)`.
///
/// # Errors
/// As [`module`].
pub fn program(file: &TorchFile<'_>) -> Result<String, ReportError> {
    let module = module(file.graph)?;
    let (imports, class) = module.split_once("\n\n\n").unwrap_or(("", &module));
    let of_pictures = file.input.scale != 1.0;
    let classes: Vec<String> = file.classes.iter().map(|name| quoted(name)).collect();
    let pillow = if of_pictures { "from PIL import Image, ImageOps\n" } else { "" };
    let prepare = if of_pictures { prepare(file.input) } else { String::new() };
    let usage =
        if of_pictures { "load()(prepare(\"cat.jpg\")).softmax(1)" } else { "load()(images).softmax(1)" };
    Ok(format!(
        "# The probabilities of the classes, in the order of CLASSES: {usage}\n\
         import pathlib\n\n{imports}\n{pillow}from safetensors.torch import load_file\n\n\
         CLASSES = [{classes}]\n\
         WEIGHTS = pathlib.Path(__file__).with_name({weights})\n\n\n\
         {class}\n\n\
         def load(weights=WEIGHTS):\n    \
         network = Network()\n    \
         network.load_state_dict(load_file(weights))\n    \
         return network.eval()\n{prepare}",
        classes = classes.join(", "),
        weights = quoted(file.weights),
    ))
}

/// The treatment of a picture, step by step as `convscope predict` does it.
fn prepare(input: &InputDescription) -> String {
    let [height, width] = input.size;
    let colour = match input.background.as_str() {
        "white" => "#ffffff",
        "black" => "#000000",
        other => other,
    };
    let resized = match input.resize.as_str() {
        "crop" => format!(
            "    # The largest part of this aspect ratio, in the middle.\n    \
             scale = min(picture.width / {width}, picture.height / {height})\n    \
             left, top = max(0, (picture.width - scale * {width}) / 2), max(0, (picture.height - scale * {height}) / 2)\n    \
             rows, columns = (0, top, picture.width, picture.height - top), (left, 0, picture.width - left, {height})\n    \
             picture = picture.resize((picture.width, {height}), Image.Resampling.BILINEAR, box=rows)\n    \
             picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR, box=columns)\n"
        ),
        side if side.parse::<u16>().is_ok() => format!(
            "    # The shorter side becomes {side} pixels long, or longer so that the image is covered; then the middle is kept.\n    \
             scale = max({side} / min(picture.size), {width} / picture.width, {height} / picture.height)\n    \
             across, down = min({width} / scale, picture.width), min({height} / scale, picture.height)\n    \
             left, top = (picture.width - across) / 2, (picture.height - down) / 2\n    \
             box = (left, top, left + across, top + down)\n    \
             picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR, box=box)\n"
        ),
        "pad" => format!(
            "    # As large as it fits, in the middle of the background.\n    \
             columns = min({width}, max(1, (picture.width * {height} * 2 + picture.height) // (2 * picture.height)))\n    \
             rows = min({height}, max(1, (picture.height * {width} * 2 + picture.width) // (2 * picture.width)))\n    \
             inside = picture.resize((picture.width, rows), Image.Resampling.BILINEAR)\n    \
             inside = inside.resize((columns, rows), Image.Resampling.BILINEAR)\n    \
             picture = Image.new(\"RGB\", ({width}, {height}), \"{colour}\")\n    \
             picture.paste(inside, (({width} - columns) // 2, ({height} - rows) // 2))\n"
        ),
        _ => format!(
            "    picture = picture.resize((picture.width, {height}), Image.Resampling.BILINEAR)\n    \
             picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR)\n"
        ),
    };
    let grey = if input.mean.len() == 1 { "    picture = picture.convert(\"L\")\n" } else { "" };
    let values = if input.mean.len() == 1 { "values[:, :, None]" } else { "values" };
    let numbers = |numbers: &[f32]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let axes = input.mean.len();
    format!(
        "\n\ndef prepare(file):\n    \
         # A picture as convscope predict treats it, [1, {axes}, {height}, {width}].\n    \
         picture = ImageOps.exif_transpose(Image.open(file)).convert(\"RGBA\")\n    \
         behind = Image.new(\"RGBA\", picture.size, \"{colour}\")\n    \
         picture = Image.alpha_composite(behind, picture).convert(\"RGB\")\n    \
         # The height first, as convscope does, and then the width; Pillow would round in the other order.\n\
         {resized}{grey}    \
         values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape({height}, {width}, {axes})\n    \
         mean, std = torch.tensor([{mean}]), torch.tensor([{std}])\n    \
         return (({values}{scale} - mean) / std).permute(2, 0, 1)[None].contiguous()\n",
        mean = numbers(&input.mean),
        std = numbers(&input.std),
        scale = if input.scale == 1.0 / 255.0 { " / 255".to_owned() } else { format!(" * {}", input.scale) },
    )
}

//! Blocks of model files.

use convscope_graph::{Graph, ModelFile, ValueId};

fn graph(text: &str) -> Result<Graph, String> {
    let file =
        ModelFile::parse("net.toml", &format!("name = 'net'\n{text}")).map_err(|error| error.to_string())?;
    let model = file.resolve([3, 8, 8], 4).map_err(|error| error.to_string())?;
    Graph::new(model).map_err(|error| error.to_string())
}

const RESIDUAL: &str = "
[block.residual]
parameters = { channels = 4, stride = 1, project = false }
node = [
    { name = 'conv1', op = 'conv2d', out_channels = '$channels', kernel_size = 3, padding = 1, stride = ['$stride', 1] },
    { name = 'wide', op = 'conv2d', out_channels = '$channels * 6', kernel_size = 1 },
    { name = 'narrow', op = 'conv2d', out_channels = '$channels / 1', kernel_size = 1 },
    { when = '$project', name = 'project', op = 'conv2d', out_channels = '$channels', kernel_size = 1, stride = ['$stride', 1], inputs = ['input'] },
    { when = '$project', name = 'add', op = 'add', inputs = ['narrow', 'project'] },
    { unless = '$project', name = 'add', op = 'add', inputs = ['narrow', 'input'] },
]
[block.two]
parameters = { channels = 4 }
node = [
    { block = 'residual', name = 'a', channels = '$channels', project = true, stride = 2 },
    { block = 'residual', name = 'b', channels = '$channels' },
    { name = 'again', op = 'add', inputs = ['a', 'b'] },
]
";

#[test]
fn a_block_stands_for_its_nodes_each_time() {
    let text = format!(
        "node = [
            {{ name = 'stem', op = 'conv2d', out_channels = 5, kernel_size = 1 }},
            {{ block = 'residual', name = 'stage.{{}}', repeat = 2, from = 3, channels = 5 }},
            {{ block = 'two', name = 'deep', channels = 7 }},
            {{ name = 'side', op = 'relu', inputs = ['stage.3'] }},
            {{ block = 'residual', name = 'last', channels = 5, inputs = ['side'] }},
            {{ op = 'flatten' }},
            {{ op = 'linear', out_features = 'classes' }},
        ]
        {RESIDUAL}"
    );
    let graph = graph(&text).unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
    let expected = "stem stage.3.conv1 stage.3.wide stage.3.narrow stage.3.add stage.4.conv1 stage.4.wide stage.4.narrow stage.4.add \
                    deep.a.conv1 deep.a.wide deep.a.narrow deep.a.project deep.a.add deep.b.conv1 deep.b.wide deep.b.narrow deep.b.add \
                    deep.again side last.conv1 last.wide last.narrow last.add flatten dense";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    let inputs = |name: &str| -> Vec<&str> {
        let node = graph.nodes().iter().find(|node| node.name == name).unwrap();
        node.inputs.iter().map(|&value| graph.value_name(value)).collect()
    };
    assert_eq!(inputs("stage.3.add"), ["stage.3.narrow", "stem"]);
    assert_eq!(inputs("stage.4.conv1"), ["stage.3.add"]);
    assert_eq!(inputs("stage.4.add"), ["stage.4.narrow", "stage.3.add"]);
    assert_eq!(inputs("deep.a.project"), ["stage.4.add"]);
    assert_eq!(inputs("deep.again"), ["deep.a.add", "deep.b.add"]);
    assert_eq!(inputs("side"), ["stage.3.add"]);
    assert_eq!(inputs("last.conv1"), ["side"]);
    assert_eq!(inputs("last.add"), ["last.narrow", "side"]);
    let shape = |name: &str| {
        let index = graph.nodes().iter().position(|node| node.name == name).unwrap();
        graph.shape(ValueId::Node(index)).to_string()
    };
    assert_eq!((shape("deep.a.wide").as_str(), shape("deep.again").as_str()), ("[42, 4, 8]", "[7, 4, 8]"));
    // The network without blocks is the same one.
    let written = ModelFile::parse("again", &graph.description().to_toml()).unwrap();
    assert_eq!(written.resolve([3, 8, 8], 4).unwrap(), *graph.description());
}

#[test]
fn a_block_at_the_start_takes_the_image() {
    let text = format!(
        "node = [{{ block = 'residual', name = 'r', channels = 3 }}, {{ op = 'flatten' }}]\n{RESIDUAL}"
    );
    let graph = graph(&text).unwrap();
    assert_eq!(graph.nodes()[3].inputs, [ValueId::Node(2), ValueId::Input(0)]);
}

#[test]
fn what_is_wrong_with_a_block_is_said() {
    let used = |node: &str, blocks: &str| {
        format!("node = [{{ name = 'stem', op = 'relu' }}, {node}, {{ op = 'flatten' }}]\n{blocks}")
    };
    for (text, expected) in [
        (used("{ block = 'other', name = 'x' }", RESIDUAL), "net.toml: there is no [block.other]"),
        (used("{ block = 'residual' }", RESIDUAL), "a node with block = \"residual\" has no name"),
        (
            used("{ block = 'residual', name = 'x', width = 3 }", RESIDUAL),
            "x: unknown field `width`, expected one of `channels`, `project`, `stride`",
        ),
        (
            used("{ block = 'residual', name = 'x', repeat = 2 }", RESIDUAL),
            "x: a block that is repeated has {} in its name",
        ),
        (
            used("{ block = 'residual', name = 'x', repeat = -1 }", RESIDUAL),
            "x: 'repeat' is -1, not a number from 0",
        ),
        (used("{ block = 'residual', name = 'x{}', repeat = 100000 }", RESIDUAL), "more than 100000 nodes"),
        (used("{ block = 'residual', name = 'x', project = 3 }", RESIDUAL), "'when' is 3, not true or false"),
        (
            used("{ block = 'a', name = 'x' }", "[block.a]\nnode = [{ block = 'a', name = 'y' }]"),
            "block.a stands in more than 8 others, or in itself",
        ),
        (
            used("{ block = 'a', name = 'x' }", "[block.a]\nnode = [{ op = 'softplus', beta = '$b' }]"),
            "unknown parameter `$b`, expected one of ",
        ),
        (
            used(
                "{ block = 'a', name = 'x' }",
                "[block.a]\nparameters = { b = 'c' }\nnode = [{ op = 'flatten', end_dim = '$b * 2' }]",
            ),
            "'$b * 2' is not a parameter times or by a whole number",
        ),
        (
            used(
                "{ block = 'a', name = 'x' }",
                "[block.a]\nparameters = { b = 3 }\nnode = [{ op = 'flatten', end_dim = '$b / 0' }]",
            ),
            "'$b / 0' is not a parameter",
        ),
        (
            used("{ block = 'a', name = 'x' }", "[block.a]\nparameters = 3\nnode = [{ op = 'relu' }]"),
            "block.a: 'parameters' is a table",
        ),
        (
            used("{ block = 'a', name = 'x' }", "[block.a]\nwidth = 3\nnode = [{ op = 'relu' }]"),
            "block.a: unknown field `width`",
        ),
        (
            used("{ block = 'a', name = 'x' }", "[block.a]\nparameters = {}"),
            "block.a has no [[block.a.node]]",
        ),
        (
            "node = [{ op = 'relu' }, { block = 'residual', name = 'r' }]\n".to_owned() + RESIDUAL,
            "r.input is a node without a name",
        ),
    ] {
        let message = graph(&text).unwrap_err();
        assert!(message.contains(expected), "'{message}' lacks '{expected}'");
    }
}

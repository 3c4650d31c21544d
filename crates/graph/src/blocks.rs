//! Parts of a model file that are described once and used often.
//!
//! `[block.NAME]` has `parameters` with their defaults, and `[[block.NAME.node]]`s as a model has them. A node of a model, or of
//! another block, with `block = "NAME"` in place of `op` stands for all of them: each gets the user's `name` and a dot before its own,
//! and `"$parameter"` in an argument becomes the parameter's value, `"$parameter * 4"` or `"$parameter / 2"` a multiple or a part of it.
//! A node with `when = "$parameter"` is there only if that is true, with `unless` if it is false. `input` is what comes into the block.
//! With `repeat = N`, `{}` in the name counts from `from`, which is 0 by default.

use std::collections::HashMap;

use toml::{Table, Value};

use crate::limits::MOST_NODES;

/// How deep blocks may stand in blocks.
const MOST_DEPTH: usize = 8;

/// Takes the blocks out of a model file and puts their nodes in the place of their uses.
///
/// # Errors
/// What is wrong, with the names.
pub(crate) fn expand(table: &mut Table) -> Result<(), String> {
    let blocks = match table.remove("block") {
        None => HashMap::new(),
        Some(Value::Table(blocks)) => blocks
            .into_iter()
            .map(|(name, block)| Ok((name.clone(), Block::new(&name, block)?)))
            .collect::<Result<_, String>>()?,
        Some(_) => return Err("'block' is not a table; write [block.NAME]".to_owned()),
    };
    let Some(Value::Array(nodes)) = table.get("node") else { return Ok(()) };
    if !nodes.iter().any(is_use) {
        return Ok(());
    }
    let mut expansion = Expansion { blocks: &blocks, nodes: Vec::new(), ends: HashMap::new() };
    let top = Scope { prefix: "", input: Some("input".to_owned()), values: &Table::new() };
    for node in nodes {
        expansion.add(node, &top, &HashMap::new(), 0)?;
    }
    let nodes = expansion.nodes;
    table.insert("node".to_owned(), Value::Array(nodes));
    Ok(())
}

struct Block {
    parameters: Table,
    nodes: Vec<Value>,
}

impl Block {
    fn new(name: &str, block: Value) -> Result<Block, String> {
        let Value::Table(mut block) = block else { return Err(format!("block.{name} is not a table")) };
        let parameters = match block.remove("parameters") {
            None => Table::new(),
            Some(Value::Table(parameters)) => parameters,
            Some(_) => {
                return Err(format!("block.{name}: 'parameters' is a table of names with their defaults"));
            }
        };
        let nodes = match block.remove("node") {
            Some(Value::Array(nodes)) if !nodes.is_empty() => nodes,
            _ => return Err(format!("block.{name} has no [[block.{name}.node]]")),
        };
        match block.keys().next() {
            None => Ok(Block { parameters, nodes }),
            Some(key) => {
                Err(format!("block.{name}: unknown field `{key}`, expected one of `parameters`, `node`"))
            }
        }
    }
}

fn is_use(node: &Value) -> bool {
    node.get("block").is_some()
}

/// Where a node stands.
struct Scope<'a> {
    /// What goes before names, with its dot.
    prefix: &'a str,
    /// The name of what comes in; none where the node before has no name.
    input: Option<String>,
    values: &'a Table,
}

struct Expansion<'a> {
    blocks: &'a HashMap<String, Block>,
    nodes: Vec<Value>,
    /// For each use of a block by its name, the name of its last node.
    ends: HashMap<String, String>,
}

impl Expansion<'_> {
    /// Adds a node, or all nodes of a block. `own` has the names within the scope, with what they are called outside.
    fn add(
        &mut self,
        node: &Value,
        scope: &Scope<'_>,
        own: &HashMap<String, String>,
        depth: usize,
    ) -> Result<(), String> {
        let Value::Table(node) = node else { return Err("a node is not a table".to_owned()) };
        let mut node = node.clone();
        for (key, wanted) in [("when", true), ("unless", false)] {
            match node.remove(key).map(|value| substituted(value, scope.values)).transpose()? {
                None => {}
                Some(Value::Boolean(is_there)) if is_there == wanted => {}
                Some(Value::Boolean(_)) => return Ok(()),
                Some(other) => return Err(format!("'{key}' is {other}, not true or false")),
            }
        }
        for (key, value) in node.iter_mut() {
            if !matches!(key.as_str(), "name" | "inputs" | "weights_of" | "block") {
                *value = substituted(value.clone(), scope.values)?;
            }
        }
        let called = |name: &str| match name {
            "input" => scope.input.clone().ok_or_else(|| {
                format!("{}input is a node without a name; name the node before the block", scope.prefix)
            }),
            name => Ok(own.get(name).cloned().unwrap_or_else(|| name.to_owned())),
        };
        if let Some(Value::Array(inputs)) = node.get_mut("inputs") {
            for input in inputs {
                if let Value::String(name) = input {
                    let name = called(name)?;
                    *input = Value::String(self.ends.get(&name).cloned().unwrap_or(name));
                }
            }
        }
        if let Some(Value::String(name)) = node.get_mut("weights_of") {
            *name = called(name)?;
        }
        if node.contains_key("block") {
            return self.add_block(node, scope, depth);
        }
        if let Some(Value::String(name)) = node.get_mut("name") {
            *name = format!("{}{name}", scope.prefix);
        }
        if self.nodes.len() >= MOST_NODES {
            return Err(format!("its blocks make more than {MOST_NODES} nodes"));
        }
        self.nodes.push(Value::Table(node));
        Ok(())
    }

    fn add_block(&mut self, mut node: Table, scope: &Scope<'_>, depth: usize) -> Result<(), String> {
        let Some(Value::String(kind)) = node.remove("block") else {
            return Err("'block' is not the name of a block".to_owned());
        };
        let known = self.blocks;
        let Some(block) = known.get(&kind) else { return Err(format!("there is no [block.{kind}]")) };
        if depth >= MOST_DEPTH {
            return Err(format!("block.{kind} stands in more than {MOST_DEPTH} others, or in itself"));
        }
        let Some(Value::String(name)) = node.remove("name") else {
            return Err(format!("a node with block = \"{kind}\" has no name"));
        };
        let inputs = node.remove("inputs");
        let count = |value: Option<Value>, default: i64, key: &str| match value {
            None => Ok(default),
            Some(Value::Integer(count)) if (0..=MOST_NODES as i64).contains(&count) => Ok(count),
            Some(other) => Err(format!("{name}: '{key}' is {other}, not a number from 0 to {MOST_NODES}")),
        };
        let (repeat, from) =
            (count(node.remove("repeat"), 1, "repeat")?, count(node.remove("from"), 0, "from")?);
        if repeat > 1 && !name.contains("{}") {
            return Err(format!("{name}: a block that is repeated has {{}} in its name, which counts"));
        }
        let mut values = block.parameters.clone();
        for (key, value) in node {
            if !values.contains_key(&key) {
                let known: Vec<String> = values.keys().map(|key| format!("`{key}`")).collect();
                return Err(format!("{name}: unknown field `{key}`, expected one of {}", known.join(", ")));
            }
            values.insert(key, value);
        }
        for number in from..from + repeat {
            let name = format!("{}{}", scope.prefix, name.replace("{}", &number.to_string()));
            let first = self.nodes.len();
            let before = match (&inputs, number == from) {
                (Some(Value::Array(inputs)), true) => {
                    inputs.first().and_then(Value::as_str).map(str::to_owned)
                }
                _ => self.last_name(),
            };
            let prefix = format!("{name}.");
            let inner = Scope { prefix: &prefix, input: before.clone(), values: &values };
            let names = block.nodes.iter().filter_map(|node| node.get("name").and_then(Value::as_str));
            let own = names.map(|name| (name.to_owned(), format!("{prefix}{name}"))).collect();
            for node in &block.nodes {
                self.add(node, &inner, &own, depth + 1)?;
            }
            // The first node takes what comes in, unless it says otherwise.
            if let (Some(Value::Table(node)), Some(inputs), true) =
                (self.nodes.get_mut(first), &inputs, number == from)
            {
                node.entry("inputs").or_insert_with(|| inputs.clone());
            }
            if let Some(end) = self.last_name() {
                self.ends.insert(name, end);
            }
        }
        Ok(())
    }

    /// The name of the node before; that of the image where there is none.
    fn last_name(&self) -> Option<String> {
        match self.nodes.last() {
            None => Some("input".to_owned()),
            Some(node) => node.get("name").and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// The value with `"$parameter"` replaced, wherever it stands.
fn substituted(value: Value, values: &Table) -> Result<Value, String> {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(expression) => evaluated(expression, values),
            None => Ok(Value::String(text)),
        },
        Value::Array(list) => Ok(Value::Array(
            list.into_iter().map(|value| substituted(value, values)).collect::<Result<_, _>>()?,
        )),
        Value::Table(table) => {
            let each = table.into_iter().map(|(key, value)| Ok((key, substituted(value, values)?)));
            Ok(Value::Table(each.collect::<Result<_, String>>()?))
        }
        other => Ok(other),
    }
}

/// A parameter, or a multiple or a part of it.
fn evaluated(expression: &str, values: &Table) -> Result<Value, String> {
    let parameter = |name: &str| {
        let known = || values.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        values
            .get(name)
            .cloned()
            .ok_or_else(|| format!("unknown parameter `${name}`, expected one of {}", known()))
    };
    let Some((at, sign)) = expression.char_indices().find(|(_, letter)| "*/".contains(*letter)) else {
        return parameter(expression.trim());
    };
    let wrong = || format!("'${expression}' is not a parameter times or by a whole number");
    let number: i64 =
        expression[at + 1..].trim().parse().ok().filter(|&number| number > 0).ok_or_else(wrong)?;
    let Value::Integer(value) = parameter(expression[..at].trim())? else { return Err(wrong()) };
    let result = if sign == '*' { value.checked_mul(number) } else { Some(value / number) };
    result.map(Value::Integer).ok_or_else(wrong)
}

//! Axes and places.

use convscope_ops::{
    Add, ChannelShuffle, Concat, Flatten, Pad, PadMode, Permute, PixelShuffle, Reshape, Slice,
};

use super::activation::signed;
use super::{Computed, Done, EmittedKind, Given, Importer, Source, Value, unsupported};
use crate::attributes::Attributes;
use crate::fold::{reshaped, split_sizes, squeezed, stretch, unsqueezed};
use crate::names;

impl<'a> Importer<'a> {
    /// A value under other axes, the batch axis among them.
    fn under(&mut self, input: &Computed, dims: Option<Vec<usize>>, what: &str) -> Done<Computed> {
        let Some(dims) = dims else {
            return unsupported(format!("{what} does not fit the axes {:?}", input.axes));
        };
        let Some((&batch, axes)) = dims.split_first() else { return unsupported("to a single number") };
        if batch != self.batch {
            return unsupported(format!("to {dims:?}, which mixes the images of the batch"));
        }
        if input.axes.as_deref() == Some(axes) {
            return Ok(input.clone());
        }
        if axes.len() == 1 {
            return self.emit(Flatten::default(), &[input], Vec::new());
        }
        self.emit(Reshape { shape: signed(axes) }, &[input], Vec::new())
    }

    fn dims(&self, axes: &[usize]) -> Vec<usize> {
        [&[self.batch], axes].concat()
    }

    pub(super) fn reshape(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let asked = given.ints(1, "shape")?.unwrap_or_default();
        let dims = reshaped(&self.dims(axes), &asked, given.node.int("allowzero") == Some(1));
        if let Some(shuffled) = self.channel_shuffle(given, dims.as_deref())? {
            return Ok(shuffled);
        }
        self.under(input, dims, "shape")
    }

    pub(super) fn flatten(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let dims = self.dims(axes);
        let at = given.node.int("axis").unwrap_or(1);
        let at = if at < 0 { at.saturating_add(dims.len() as i64) } else { at };
        let Some(at) = usize::try_from(at).ok().filter(|&at| at <= dims.len()) else {
            return unsupported(format!("axis is {at}"));
        };
        let (before, behind) = dims.split_at(at);
        if axes.is_empty() {
            return unsupported("of one number for each image");
        }
        self.under(input, Some(vec![before.iter().product(), behind.iter().product()]), "axis")
    }

    pub(super) fn squeeze(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let over = given.ints(1, "axes")?;
        let dims = self.dims(axes);
        let over = match over {
            // All axes of length 1, but not the batch axis.
            None => (1..dims.len()).filter(|&at| dims[at] == 1).map(|at| at as i64).collect(),
            Some(over) => over,
        };
        if over.iter().any(|&at| at == 0 || at == -(dims.len() as i64)) {
            return unsupported("takes away the batch axis");
        }
        self.under(input, squeezed(&dims, Some(&over)), "axes")
    }

    pub(super) fn unsqueeze(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let new = given.ints(1, "axes")?.unwrap_or_default();
        let rank = (axes.len() + 1 + new.len()) as i64;
        if new.iter().any(|&at| at == 0 || at == -rank) {
            return unsupported("puts an axis before the batch axis");
        }
        self.under(input, unsqueezed(&self.dims(axes), &new), "axes")
    }

    pub(super) fn transpose(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let rank = axes.len() + 1;
        let perm: Vec<isize> = match given.node.ints("perm") {
            Some(perm) => perm.iter().map(|&at| at as isize).collect(),
            None => (0..rank as isize).rev().collect(),
        };
        if rank == 4
            && matches!(input.from, Source::Input(_))
            && names::is_channels_last(self.graph, &given.node.input[0])
        {
            return Ok(input.clone());
        }
        if perm.iter().enumerate().all(|(at, &from)| at as isize == from) && perm.len() == rank {
            return Ok(input.clone());
        }
        self.emit(Permute { dims: perm }, &[input], Vec::new())
    }

    /// Reshape, transpose and reshape back: the channels of each group side by side, or pixels from channels.
    fn channel_shuffle(&mut self, given: &Given<'a, '_>, dims: Option<&[usize]>) -> Done<Option<Computed>> {
        let (turned, axes) = given.known(0)?;
        let (Source::Node(index), Some(&[batch, channels, rows, columns])) = (turned.from, dims) else {
            return Ok(None);
        };
        let &[_, groups, _, _] = axes else { return Ok(None) };
        let (EmittedKind::Operator(permute), &[Source::Node(before)]) =
            (&self.emitted[index].kind, self.emitted[index].inputs.as_slice())
        else {
            return Ok(None);
        };
        let EmittedKind::Operator(reshape) = &self.emitted[before].kind else { return Ok(None) };
        let is_shuffle = permute.name() == "permute"
            && permute.arguments()["dims"] == serde_json::json!([0, 2, 1, 3, 4])
            && reshape.name() == "reshape"
            && batch == self.batch
            && axes[2] == rows
            && axes[3] == columns;
        if !is_shuffle {
            return Ok(None);
        }
        let input =
            Computed { from: self.emitted[before].inputs[0], axes: Some(vec![channels, rows, columns]) };
        if self.axes_of(input.from) != input.axes {
            return Ok(None);
        }
        self.emit(ChannelShuffle { groups }, &[&input], Vec::new()).map(Some)
    }

    pub(super) fn concat(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if given.inputs.len() == 1 {
            return Ok(given.computed(0)?.clone());
        }
        let ranks = given.inputs.iter().flatten().find_map(|input| match input {
            Value::Computed(computed) => computed.axes.as_ref().map(Vec::len),
            Value::Constant(_) => None,
        });
        let Some(rank) = ranks else { return Err(super::Stop::Unknown) };
        let at = given.axis(given.node.int("axis").unwrap_or(1), rank)?;
        let mut inputs = Vec::with_capacity(given.inputs.len());
        for input in given.inputs.iter().flatten() {
            inputs.push(match input {
                Value::Computed(computed) => computed.clone(),
                Value::Constant(tensor) => self.emit_constant(tensor, rank)?,
            });
        }
        if at == 0 {
            return self.emit(Concat::default(), &inputs.iter().collect::<Vec<_>>(), Vec::new());
        }
        let mut dims: Vec<isize> = (0..=rank as isize).collect();
        dims.swap(1, at + 1);
        let turned: Vec<Computed> = inputs
            .iter()
            .map(|input| self.emit(Permute { dims: dims.clone() }, &[input], Vec::new()))
            .collect::<Done<_>>()?;
        let joined = self.emit(Concat::default(), &turned.iter().collect::<Vec<_>>(), Vec::new())?;
        self.emit(Permute { dims }, &[&joined], Vec::new())
    }

    pub(super) fn split(&mut self, given: &Given<'a, '_>) -> Done<Vec<Value>> {
        let (input, axes) = given.known(0)?;
        let at = given.axis(given.node.int("axis").unwrap_or(0), axes.len())?;
        let sizes = given.ints(1, "split")?;
        let Some(sizes) = split_sizes(axes[at], given.node.output.len(), sizes.as_deref()) else {
            return unsupported(format!("into {} parts of {}", given.node.output.len(), axes[at]));
        };
        let mut start = 0;
        let mut parts = Vec::new();
        for size in sizes {
            let slice = Slice { start, end: Some(start + size as isize), ..Slice::new(at as isize + 1) };
            start += size as isize;
            parts.push(Value::Computed(self.emit(slice, &[input], Vec::new())?));
        }
        Ok(parts)
    }

    pub(super) fn slice(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let (Some(starts), Some(ends)) = (given.ints(1, "starts")?, given.ints(2, "ends")?) else {
            return unsupported("starts or ends are missing");
        };
        let over = given.ints(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = given.ints(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), over.len(), steps.len()] != [starts.len(); 3] {
            return unsupported("starts, ends, axes and steps have different lengths");
        }
        let mut output = input.clone();
        for (((start, end), at), step) in starts.into_iter().zip(ends).zip(over).zip(steps) {
            let is_batch = at == 0 || at == -(axes.len() as i64 + 1);
            let len = if is_batch { self.batch } else { axes[given.axis(at, axes.len())?] };
            let Some(places) = stretch(len, start, end, step) else { return unsupported("a step of 0") };
            if places.len() == len && places.first().is_none_or(|&first| first == 0) {
                continue;
            }
            let at = given.axis(at, axes.len())?;
            output = self.take(&output, at, &places)?;
        }
        Ok(output)
    }

    /// Places of an axis at the same distance.
    fn take(&mut self, input: &Computed, at: usize, places: &[usize]) -> Done<Computed> {
        let &[first, ..] = places else { return unsupported("leaves no element") };
        let step = places.get(1).map_or(1, |&second| second.wrapping_sub(first));
        if step == 0
            || step > first.max(1 << 24)
            || places.windows(2).any(|pair| pair[1].wrapping_sub(pair[0]) != step)
        {
            return unsupported("elements in another order");
        }
        let end = places[places.len() - 1] + 1;
        self.emit(
            Slice { start: first as isize, end: Some(end as isize), step, ..Slice::new(at as isize + 1) },
            &[input],
            Vec::new(),
        )
    }

    /// All elements of an image one after another under other axes: an exporter's way of changing strides.
    fn strided(&mut self, given: &Given<'a, '_>) -> Done<Option<Computed>> {
        let [Some(_), Some(Value::Constant(indices))] = given.inputs else { return Ok(None) };
        let Some(reshape) = self.node_of(&given.node.input[0], "Reshape") else { return Ok(None) };
        let Some(input) = self.computed(&reshape.input[0]) else { return Ok(None) };
        let len = input.axes.iter().flatten().product::<usize>();
        let is_each = self.batch == 1
            && indices.len() == len
            && given.node.int("axis").unwrap_or(0) == 0
            && indices.to_ints()?.iter().enumerate().all(|(at, &index)| at as i64 == index);
        let is_flat = matches!(&reshape.input.get(1).and_then(|shape| self.value(shape)), Some(Value::Constant(shape)) if shape.len() == 1);
        if !is_each || !is_flat {
            return Ok(None);
        }
        self.under(&input, Some(indices.dims.clone()), "indices").map(Some)
    }

    pub(super) fn gather(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        if let Some(output) = self.strided(given)? {
            return Ok(output);
        }
        let (input, axes) = given.known(0)?;
        let at = given.axis(given.node.int("axis").unwrap_or(0), axes.len())?;
        let indices = given.required(1)?;
        let len = axes[at];
        let place = |&index: &i64| {
            let index = if index < 0 { index.saturating_add(len as i64) } else { index };
            usize::try_from(index).ok().filter(|&index| index < len)
        };
        let Some(places) = indices.to_ints()?.iter().map(place).collect::<Option<Vec<usize>>>() else {
            return unsupported(format!("an index that is not among {len}"));
        };
        let taken = self.take(input, at, &places)?;
        let dims = [&[self.batch], &axes[..at], indices.dims.as_slice(), &axes[at + 1..]].concat();
        self.under(&taken, Some(dims), "indices")
    }

    pub(super) fn expand(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let asked = given.required(1)?.to_ints()?.into_owned();
        let rank = axes.len().max(asked.len().saturating_sub(1));
        if rank != axes.len() {
            return unsupported("to more axes");
        }
        let mut dims = vec![1; rank + 1 - asked.len()];
        dims.extend(asked);
        if dims[0] != 1 && dims[0] != self.batch as i64 {
            return unsupported("along the batch axis");
        }
        let wanted: Vec<usize> = dims[1..].iter().map(|&len| usize::try_from(len).unwrap_or(0)).collect();
        if wanted.iter().zip(axes).all(|(&wanted, &len)| wanted == 1 || wanted == len) {
            return Ok(input.clone());
        }
        let zeros = convscope_ops::Constant::new(wanted);
        let zeros = self.emit(zeros, &[], vec![("", super::Array::Filled(0.0))])?;
        self.emit(Add {}, &[input, &zeros], Vec::new())
    }

    pub(super) fn pad(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, axes) = given.known(0)?;
        let mode = match given.node.text("mode").unwrap_or("constant") {
            "constant" => PadMode::Constant,
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Replicate,
            "wrap" => PadMode::Circular,
            other => return unsupported(format!("mode is '{other}'")),
        };
        let Some(pads) = given.ints(1, "pads")?.or(given.node.ints("paddings").map(<[i64]>::to_vec)) else {
            return unsupported("pads is missing");
        };
        let value = match given.constant(2)? {
            Some(value) => value.scalar(),
            None => given.node.float("value"),
        };
        let rank = axes.len() + 1;
        let over = match given.constant(3)? {
            Some(over) => over.to_ints()?.into_owned(),
            None => (0..rank as i64).collect(),
        };
        if pads.len() != 2 * over.len() {
            return unsupported(format!("pads has {} numbers for {} axes", pads.len(), over.len()));
        }
        let mut all = vec![[0i64; 2]; rank];
        for (index, &at) in over.iter().enumerate() {
            let sides = [pads[index], pads[index + over.len()]];
            if sides == [0, 0] {
                continue;
            }
            let at = given.axis(at, axes.len())?;
            all[at + 1] = sides;
        }
        if all.iter().all(|sides| *sides == [0, 0]) {
            return Ok(input.clone());
        }
        let is_line = axes.len() == 2;
        if all[1] != [0, 0] || !(axes.len() == 3 || is_line) {
            return unsupported("adds to other axes than rows and columns");
        }
        let image = self.as_image(input)?;
        let [[top, bottom], [left, right]] = if is_line { [[0, 0], all[2]] } else { [all[2], all[3]] };
        let pad = [left, right, top, bottom].map(|side| isize::try_from(side).unwrap_or(isize::MAX));
        let value = f64::from(value.unwrap_or(0.0).clamp(f32::MIN, f32::MAX));
        let output = self.emit(Pad { pad, mode, value }, &[&image], Vec::new())?;
        self.as_line(output, is_line)
    }

    pub(super) fn depth_to_space(&mut self, given: &Given<'a, '_>) -> Done<Computed> {
        let (input, _) = given.known(0)?;
        let upscale_factor = usize::try_from(given.node.int("blocksize").unwrap_or(0)).unwrap_or(0);
        if given.node.text("mode").unwrap_or("DCR") != "CRD"
            && input.axes.as_ref().is_none_or(|axes| axes[0] != upscale_factor * upscale_factor)
        {
            return unsupported("mode is 'DCR'");
        }
        self.emit(PixelShuffle { upscale_factor }, &[input], Vec::new())
    }
}

//! The protocol-buffer messages of event files: `tensorboard/compat/proto/event.proto` and `summary.proto`.

use super::Distribution;

/// The first record of every file: `Event { wall_time = 1, file_version = 3 }`.
pub(super) fn version_event(time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.bytes(3, b"brain.Event:2");
    event.0
}

/// `Event { wall_time = 1, step = 2, session_log = 7 }` with `SessionLog { status = 1 }` of `START = 1`.
pub(super) fn start_event(time: f64, step: u64) -> Vec<u8> {
    let mut log = Message::default();
    log.varint(1, 1);
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(7, &log.0);
    event.0
}

/// `Event { wall_time = 1, step = 2, summary = 5 }` with `Summary { value = 1 }` of `Value { tag = 1, simple_value = 2 }`.
pub(super) fn scalars_event(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let values = scalars.iter().map(|&(tag, number)| {
        let mut value = tagged(tag);
        value.float(2, number as f32);
        value
    });
    summary_event(time, step, values)
}

/// The same with `Value { tag = 1, histo = 5 }` of `HistogramProto { min = 1, max = 2, num = 3, sum = 4, sum_squares = 5,
/// bucket_limit = 6, bucket = 7 }`.
pub(super) fn histogram_event(time: f64, step: u64, tag: &str, values: &Distribution) -> Vec<u8> {
    let mut histogram = Message::default();
    let numbers = [values.min(), values.max(), values.count() as f64, values.sum(), values.sum_squares()];
    (1..).zip(numbers).for_each(|(field, number)| histogram.double(field, number));
    let packed = |numbers: Vec<f64>| -> Vec<u8> { numbers.into_iter().flat_map(f64::to_le_bytes).collect() };
    histogram.bytes(6, &packed(values.limits().collect()));
    histogram.bytes(7, &packed(values.counts().iter().map(|&count| count as f64).collect()));
    let mut value = tagged(tag);
    value.bytes(5, &histogram.0);
    summary_event(time, step, [value])
}

/// The same with `Value { tag = 1, image = 4 }` of `Image { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 }`,
/// whose colour space 3 is red, green and blue.
pub(super) fn image_event(time: f64, step: u64, tag: &str, [height, width]: [u32; 2], png: &[u8]) -> Vec<u8> {
    let mut image = Message::default();
    image.varint(1, u64::from(height));
    image.varint(2, u64::from(width));
    image.varint(3, 3);
    image.bytes(4, png);
    let mut value = tagged(tag);
    value.bytes(4, &image.0);
    summary_event(time, step, [value])
}

/// The same at step 0 with a layout of charts for the `custom_scalars` plugin: `Value { tag = 1, tensor = 8, metadata = 9 }` around
/// `Layout { category = 2 }`, `Category { title = 1, chart = 2 }`, `Chart { title = 1, multiline = 2 }` and
/// `MultilineChartContent { tag = 1 }` (`tensorboard/plugins/custom_scalar/layout.proto`).
pub(super) fn layout_event(time: f64, category: &str, charts: &[(&str, &[&str])]) -> Vec<u8> {
    let mut group = Message::default();
    group.bytes(1, category.as_bytes());
    for (title, tags) in charts {
        let mut lines = Message::default();
        tags.iter().for_each(|tag| lines.bytes(1, tag.as_bytes()));
        let mut chart = Message::default();
        chart.bytes(1, title.as_bytes());
        chart.bytes(2, &lines.0);
        group.bytes(2, &chart.0);
    }
    let mut layout = Message::default();
    layout.bytes(2, &group.0);
    // A scalar of the type 7, which is a string.
    let mut tensor = Message::default();
    tensor.varint(1, 7);
    tensor.bytes(2, &[]);
    tensor.bytes(8, &layout.0);
    let mut plugin = Message::default();
    plugin.bytes(1, b"custom_scalars");
    let mut metadata = Message::default();
    metadata.bytes(1, &plugin.0);
    let mut value = tagged("custom_scalars__config__");
    value.bytes(8, &tensor.0);
    value.bytes(9, &metadata.0);
    summary_event(time, 0, [value])
}

fn summary_event(time: f64, step: u64, values: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let mut summary = Message::default();
    values.into_iter().for_each(|value| summary.bytes(1, &value.0));
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    event.0
}

fn tagged(tag: &str) -> Message {
    let mut value = Message::default();
    value.bytes(1, tag.as_bytes());
    value
}

/// A protocol-buffer message under construction: each field is its number and wire type, then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw_varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: usize = 64;

    #[test]
    fn messages_have_the_wire_format() {
        let event = scalars_event(1.5, 300, &[("a", 0.25), ("bc", -2.0)]);
        let mut expected = vec![0x09];
        expected.extend(1.5_f64.to_le_bytes());
        expected.extend([0x10, 0xac, 0x02, 0x2a, 21]);
        expected.extend([0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3e]);
        expected.extend([0x0a, 9, 0x0a, 2, b'b', b'c', 0x15, 0, 0, 0, 0xc0]);
        assert_eq!(event, expected);
    }

    #[test]
    fn histograms_count_every_finite_value() {
        let event = histogram_event(0.0, 3, "w", &Distribution::of(&[-1.0, 3.0, 3.0, 0.0, f32::NAN]));
        let doubles = |from: usize, count: usize| -> Vec<f64> {
            event[from..].as_chunks().0[..count].iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
        };
        let end = event.len();
        let counts = doubles(end - 8 * BINS, BINS);
        assert_eq!(
            (counts[0], counts[16], counts[BINS - 1], counts.iter().sum::<f64>()),
            (1.0, 1.0, 2.0, 4.0)
        );
        // Before the counts and before the limits stand a field number and a length of two bytes.
        let limits = doubles(end - 16 * BINS - 3, BINS);
        assert_eq!((limits[0], limits[BINS - 1]), (-0.9375, 3.0));
        let first = end - 16 * BINS - 6 - 5 * 9;
        let numbers: Vec<f64> = (0..5).map(|field| doubles(first + 9 * field + 1, 1)[0]).collect();
        assert_eq!(numbers, [-1.0, 3.0, 4.0, 5.0, 19.0]);
        histogram_event(0.0, 3, "w", &Distribution::of(&[]));
    }

    #[test]
    fn pictures_have_their_size_in_rows_and_columns() {
        let event = image_event(0.0, 3, "m", [2, 300], b"png");
        let expected =
            [0x0a, 1, b'm', 0x22, 12, 0x08, 2, 0x10, 0xac, 0x02, 0x18, 3, 0x22, 3, b'p', b'n', b'g'];
        assert_eq!(event[event.len() - expected.len()..], expected);
    }
}

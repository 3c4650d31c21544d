//! Files that were made to do harm.

use std::io::{Cursor, Write};

use convscope_torch::limits::{MOST_INSTRUCTIONS, MOST_VALUES};
use convscope_torch::{TorchError, TorchFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A pickled text.
fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A pickled name of a Python object.
fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn number(value: i32) -> Vec<u8> {
    [b"J", &value.to_le_bytes()[..]].concat()
}

/// A pickled tuple.
fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// A reference to storage 0 of this many float32 elements.
fn storage(elements: i32) -> Vec<u8> {
    let reference =
        [text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), number(elements)];
    [tuple(&reference), b"Q".to_vec()].concat()
}

/// An array of the storage.
fn array(elements: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let sizes = |sizes: &[i32]| tuple(&sizes.iter().map(|&size| number(size)).collect::<Vec<_>>());
    let arguments = [
        storage(elements),
        number(offset),
        sizes(shape),
        sizes(strides),
        vec![0x89],
        [global("collections", "OrderedDict"), b")R".to_vec()].concat(),
    ];
    [global("torch._utils", "_rebuild_tensor_v2"), tuple(&arguments), b"R".to_vec()].concat()
}

/// A pickle of `{"w": value}`.
fn dictionary(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02}", &text("w")[..], value, b"s."].concat()
}

/// An archive with this pickle, and a storage of four elements.
fn archive(pickle: &[u8], compression: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file("a/data.pkl", stored).unwrap();
    writer.write_all(pickle).unwrap();
    writer.start_file("a/byteorder", stored).unwrap();
    writer.write_all(b"little").unwrap();
    writer.start_file("a/data/0", stored.compression_method(compression)).unwrap();
    writer.write_all(&[1f32, 2., 3., 4.].map(f32::to_le_bytes).concat()).unwrap();
    writer.finish().unwrap().into_inner()
}

/// An old file with this pickle, and a storage of four elements.
fn old(pickle: &[u8]) -> Vec<u8> {
    let mark = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let keys = [b"\x80\x02]", &text("0")[..], b"a."].concat();
    let elements = [1f32, 2., 3., 4.].map(f32::to_le_bytes).concat();
    [mark, &b"\x80\x02M\xe9\x03."[..], b"\x80\x02}.", pickle, &keys, &4u64.to_le_bytes(), &elements].concat()
}

fn errors(pickle: &[u8]) -> [TorchError; 2] {
    [archive(pickle, CompressionMethod::Stored), old(pickle)]
        .map(|bytes| TorchFile::from_bytes(bytes).expect_err("it is harmful"))
}

#[test]
fn the_files_of_these_tests_are_read_if_they_do_no_harm() {
    let pickle = dictionary(&array(4, 1, &[3], &[1]));
    for bytes in [archive(&pickle, CompressionMethod::Stored), old(&pickle)] {
        let file = TorchFile::from_bytes(bytes).unwrap();
        assert_eq!(file.values(file.tensor("w").unwrap()).unwrap(), [2., 3., 4.]);
    }
}

#[test]
fn a_pickle_that_runs_something_is_refused() {
    let folder = std::env::temp_dir().join("convscope-was-run");
    let command = format!("touch {}", folder.display());
    let call = |function: Vec<u8>, arguments: &[Vec<u8>], code: &[u8]| {
        [function, tuple(arguments), code.to_vec()].concat()
    };
    let by_stack = [b"\x8c\x02os", &b"\x8c\x06system"[..], b"\x93"].concat();
    let from_type = global("torch._tensor", "_rebuild_from_type_v2");
    for (harm, name) in [
        (call(global("os", "system"), &[text(&command)], b"R"), "os.system"),
        (call(global("posix", "system"), &[text(&command)], b"R"), "posix.system"),
        (call(by_stack, &[text(&command)], b"R"), "os.system"),
        (call(global("subprocess", "Popen"), &[text(&command)], b"\x81"), "subprocess.Popen"),
        (call(global("builtins", "eval"), &[text("1")], b"R"), "builtins.eval"),
        (call(global("__builtin__", "getattr"), &[text("1"), text("x")], b"R"), "__builtin__.getattr"),
        (
            call(global("torch.storage", "_load_from_bytes"), &[text("x")], b"R"),
            "torch.storage._load_from_bytes",
        ),
        (call(global("torch", "load"), &[text("/etc/passwd")], b"R"), "torch.load"),
        (
            call(
                from_type,
                &[global("os", "system"), global("torch", "Size"), tuple(&[text(&command)]), b"N".to_vec()],
                b"R",
            ),
            "os.system",
        ),
    ] {
        for error in errors(&dictionary(&harm)) {
            assert!(matches!(&error, TorchError::Global(asked) if asked == name), "{error}");
        }
    }
    // Instructions of protocol 0 and 1 that call, and copies from registers that a program would have filled.
    for harm in [&b"(ios\nsystem\n"[..], b"(cos\nsystem\nX\x01\0\0\0xo", b"\x82\x01", b"P0\n"] {
        for error in errors(&dictionary(harm)) {
            assert!(matches!(error, TorchError::Instruction { .. } | TorchError::Global(_)), "{error}");
        }
    }
    assert!(!folder.exists());
}

#[test]
fn a_function_for_arrays_takes_only_their_arguments() {
    let rebuild = || global("torch._utils", "_rebuild_tensor_v2");
    let from_type = || global("torch._tensor", "_rebuild_from_type_v2");
    let nested = tuple(&[from_type(), b"N".to_vec(), tuple(&[]), b"N".to_vec()]);
    for harm in [
        [rebuild(), tuple(&[]), b"R".to_vec()].concat(),
        [rebuild(), b"NR".to_vec()].concat(),
        [rebuild(), tuple(&[text("0"), number(0), tuple(&[]), tuple(&[])]), b"R".to_vec()].concat(),
        [text("x"), tuple(&[]), b"R".to_vec()].concat(),
        [from_type(), nested, b"R".to_vec()].concat(),
        [text("x"), b"Q".to_vec()].concat(),
        array(4, -1, &[3], &[1]),
        array(4, 0, &[3], &[-1]),
        array(4, 0, &[-3], &[1]),
    ] {
        for error in errors(&dictionary(&harm)) {
            assert!(matches!(error, TorchError::Pickle { .. }), "{error}");
        }
    }
}

#[test]
fn an_array_stays_within_its_storage_and_the_storage_within_the_file() {
    for (offset, shape, strides) in [
        (2, vec![3], vec![1]),
        (0, vec![2, 2], vec![3, 1]),
        (4, vec![1], vec![1]),
        (0, vec![2], vec![i32::MAX]),
    ] {
        for error in errors(&dictionary(&array(4, offset, &shape, &strides))) {
            assert!(matches!(error, TorchError::Outside { elements: 4, .. }), "{error}");
        }
    }
    for error in errors(&dictionary(&array(5, 0, &[5], &[1]))) {
        assert!(matches!(error, TorchError::Storage { needed: 20, found: 16, .. }), "{error}");
    }
    for error in errors(&dictionary(&array(i32::MAX, 0, &[1 << 30], &[1]))) {
        assert!(matches!(error, TorchError::Storage { .. }), "{error}");
    }
}

#[test]
fn what_is_compressed_is_not_expanded() {
    let bytes = archive(&dictionary(&array(4, 0, &[4], &[1])), CompressionMethod::Deflated);
    let error = TorchFile::from_bytes(bytes).unwrap_err();
    assert!(matches!(&error, TorchError::Compressed(name) if name == "a/data/0"), "{error}");
}

#[test]
fn a_pickle_ends_at_its_limits() {
    let endless =
        |instruction: &[u8], times: usize| [b"\x80\x02", &instruction.repeat(times)[..], b"."].concat();
    let [error, _] = errors(&endless(b"]0", MOST_VALUES + 1));
    assert!(matches!(error, TorchError::TooLarge { what: "values", .. }), "{error}");
    let [error, _] = errors(&endless(b"N0", MOST_INSTRUCTIONS / 2));
    assert!(matches!(error, TorchError::TooLarge { what: "instructions", .. }), "{error}");
    // A place far away in the memo.
    for error in errors(b"\x80\x02}r\xff\xff\xff\x7f.") {
        assert!(matches!(error, TorchError::Pickle { .. }), "{error}");
    }
    // A list that contains itself, and a dictionary under its own usual name.
    for error in errors(b"\x80\x02]q\0h\0a.") {
        assert!(matches!(error, TorchError::NoArrays(_)), "{error}");
    }
    let itself = [b"\x80\x02}q\0", &text("state_dict")[..], b"h\0s."].concat();
    for error in errors(&itself) {
        assert!(matches!(error, TorchError::NoArrays(_)), "{error}");
    }
}

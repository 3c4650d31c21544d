//! `convscope data`.

use crate::place::Place;

#[test]
fn counts_sizes_and_statistics_of_an_image_folder() {
    let place = Place::new();
    place.photos("photos");
    place.write("photos/light/broken.png", "text");
    let json = place.run("data photos --json").done().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["image_size"], serde_json::json!({"width": 12, "height": 10}));
    let text = place.run("data photos").done().out;
    assert!(text.contains("images of 12x10 (width x height) pixels in 2 classes"), "{text}");
    assert_eq!(json["synthetic"], false);
    let total = |class: &serde_json::Value| {
        ["train", "val", "test"].iter().map(|split| class[split].as_u64().unwrap()).sum::<u64>()
    };
    let classes = json["classes"].as_array().unwrap();
    let counts: Vec<_> =
        classes.iter().map(|class| (class["class"].as_str().unwrap(), total(class))).collect();
    assert_eq!(counts, [("dark", 10), ("light", 10)]);
    assert_eq!(total(&json["images"]), 20);
    assert_eq!(json["unreadable"][0]["path"], "photos/light/broken.png");
    // In a split with the colours 10 and 240, the deviation is at most half their distance.
    let std = json["std"][1].as_f64().unwrap();
    assert!(std > 0.4 && std <= 115.0 / 255.0 + 1e-9, "{std}");
}

#[test]
fn a_preview_is_a_png_with_a_row_a_class() {
    let place = Place::new();
    place.cifar("data");
    let ran = place.run("data data --preview sheet.png").done();
    assert!(
        ran.err.contains("sheet.png") && ran.out.contains("96 training, 24 validation and 30 test"),
        "{ran:?}"
    );
    let sheet = image::open(place.path("sheet.png")).unwrap().into_rgb8();
    // Twelve images beside the names, a row for each of three classes below the title.
    assert!(
        sheet.width() > 12 * 3 * 32 && (3 * 3 * 32..3 * 3 * 32 + 100).contains(&sheet.height()),
        "{:?}",
        sheet.dimensions()
    );
    assert_eq!(place.run("data data --preview sheet.png --quiet").done().err, "");
}

#[test]
fn a_preview_of_an_augmentation_has_a_row_an_image() {
    let place = Place::new();
    place.cifar("data");
    let ran = place.run("data data --augment flip=1,mixup=1 --preview variants.png").done();
    assert!(ran.err.contains("variants.png"), "{ran:?}");
    let sheet = image::open(place.path("variants.png")).unwrap().into_rgb8();
    // The original and eight variants, 32 pixels enlarged to 128; eight images.
    assert!(sheet.width() > 9 * 128 && sheet.height() > 8 * 128, "{:?}", sheet.dimensions());
    place.run("data data --augment flip").misused(&["--preview"]);
    place.run("data data --augment crop=32 --preview a.png").failed(2, &["crop is 32"]);
    assert!(!place.exists("a.png"));
}

#[test]
fn synthetic_pictures_are_called_so() {
    let text = Place::new().run("data shapes").done().out;
    assert!(text.contains("shapes (synthetic") && text.contains("8,000"), "{text}");
}

//! `plan` and `bench`, which report the work and the time of a network.

use serde_json::Value;

use crate::place::Place;

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.run(line).done().out).unwrap()
}

#[test]
fn a_plan_is_text_or_json_of_the_same_numbers() {
    let place = Place::new();
    let line = "plan plain8-bn --image-size 16 --classes 4 --batch-size 8";
    let text = place.run(line).done().out;
    let document = json(&place, &format!("{line} --json"));
    let stages = document["stages"].as_u64().unwrap();
    assert!(stages > 8 && text.contains(&format!("{stages} stages")), "{text}");
    for part in
        ["winograd", "bias, relu", "sums over the batch", "weight gradient", "ceiling", "shard 0", "kept 0"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let steps = document["steps"].as_array().unwrap();
    let of_step = |step: &Value, key: &str| step[key].as_u64().unwrap();
    for key in ["multiply_adds", "multiply_adds_made", "bytes"] {
        let sum: u64 = steps.iter().map(|step| of_step(step, key)).sum();
        assert_eq!(document[key].as_u64(), Some(sum), "{key}");
    }
    assert!(document["ceiling"]["made"].as_f64() > document["ceiling"]["direct"].as_f64());
    let inference = json(&place, &format!("{line} --mode inference --json"));
    assert_eq!((&inference["mode"], &inference["stages"]), (&"inference".into(), &1.into()));
    assert_eq!(document["precision"], "f32");
    let half = json(&place, &format!("{line} --precision bf16 --json"));
    assert_eq!(half["precision"], "bf16");
}

#[test]
fn a_plan_is_that_of_the_model_file() {
    let place = Place::new();
    place.small_model("small.toml");
    let document = json(&place, "plan small.toml --json --image-size 20");
    assert_eq!((&document["model"], &document["input"]), (&"small".into(), &serde_json::json!([3, 20, 20])));
    place.run("plan missing.toml").failed(1, &["missing.toml"]);
}

#[test]
fn bench_measures_what_it_is_asked_for() {
    let place = Place::new();
    place.small_model("small.toml");
    let line =
        "bench --model small.toml --image-size 16 --classes 3 --batch-size 8 --seconds 0 --threads 2 --json";
    let document = json(&place, line);
    for rate in ["train", "inference"] {
        let [low, median, high] = ["lower_quartile", "images_per_second", "upper_quartile"]
            .map(|key| document[rate][key].as_f64().unwrap());
        assert!(0.0 < low && low <= median && median <= high, "{rate}: {document}");
    }
    assert!(document["latency"]["milliseconds"].as_f64().unwrap() > 0.0);
    assert!(document["start"]["first_step_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(document["start"]["peak_memory_bytes"].is_u64(), cfg!(target_os = "linux"));
    let names: Vec<&str> =
        document["layers"].as_array().unwrap().iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv2d", "batch_normalization", "max_pooling2d", "flatten", "dropout", "dense"]);
    assert_eq!((&document["threads"], &document["batch_size"]), (&2.into(), &8.into()));

    let only = json(&place, &format!("{line} --only latency --precision bf16"));
    assert_eq!(only["precision"], "bf16");
    assert!(only.get("latency").is_some());
    for absent in ["train", "inference", "start", "layers"] {
        assert!(only.get(absent).is_none(), "{only}");
    }
}

#[test]
fn a_benchmark_that_cannot_begin_says_why() {
    let place = Place::new();
    place.run("bench --model missing.toml").failed(1, &["missing.toml"]);
    place.run("bench --model plain8 --image-size 4").failed(1, &["max_pooling2d_2"]);
}

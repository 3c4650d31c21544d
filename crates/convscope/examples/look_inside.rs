//! Looks inside a network: its layers, and where it looks in an image.
//!
//! `cargo run --release --example look_inside`

use std::error::Error;

use convscope::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = SplitCounts { train: 1000, val: 200, test: 200 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
    let config = TrainConfig { model: "plain8-bn".to_owned(), epochs: 3, ..TrainConfig::default() };
    let mut session = Session::new(config, source.clone())?;
    session.train()?;

    let mut inspector = Inspector::new(session.model()?.weights().clone())?;
    let options = SurveyOptions { split: Split::Test, ..SurveyOptions::default() };
    let survey = inspector.survey(source.clone(), options, &mut |_| {})?;
    for row in &survey.layers.rows {
        println!("{:24} mean |activation| {:.3}", row.name, row.mean_abs_activation);
    }
    for finding in &survey.findings {
        println!("{}", finding.text);
    }

    let image = inspector.example(Some(&source), &Choice::CorrectlyClassified)?;
    let maps = inspector.feature_maps(&image)?;
    println!(
        "{} of {} layers have maps",
        maps.layers.iter().filter(|l| !l.is_vector).count(),
        maps.layers.len()
    );
    let heat = inspector.attention(&image, HeatMapMethod::GradCam, &Question::default())?;
    println!("Grad-CAM of {} at {}", heat.class_name, heat.node.unwrap_or_default());
    Ok(())
}

//! A plan as text: its steps with their fusions, the location of values, and the work.

use convscope_graph::{Action, PlanMemory, PlanSummary, RegionSummary, Slot, StepSummary, ValueId};
use convscope_kernels::peak::Peak;
use convscope_ops::{Activation, Algorithm, Mode, Precision};

use crate::number::{bytes, count, significant, thousands};
use crate::table::{Cell, Column, Style, Table, Tone};

/// The steps stage by stage, the slots that values live in, and the totals with the speed that a machine with this peak
/// can reach.
pub fn render(plan: &PlanSummary, peak: &Peak, style: Style) -> String {
    let input: Vec<String> = plan.input.iter().map(ToString::to_string).collect();
    format!(
        "{model} for images of {input}: {mode} in batches of {batch}, {precision}\n\n\
         {steps}\n{slots}\n{totals}",
        model = plan.model,
        input = input.join("x"),
        mode = mode_name(plan.mode),
        batch = plan.batch,
        precision = precision_name(plan.precision),
        steps = steps(plan, style),
        slots = slots(plan, style),
        totals = totals(plan, peak),
    )
}

/// What a step does, as an infinitive or a noun: `forward`, `weight gradient`.
pub fn action_name(action: Action) -> &'static str {
    match action {
        Action::LoadInput { .. } => "load images",
        Action::Forward { .. } => "forward",
        Action::Recompute { .. } => "forward again",
        Action::Activate { .. } => "activation",
        Action::ReduceForward { .. } => "sums over the batch",
        Action::Output => "output",
        Action::Loss => "loss",
        Action::SelectClass => "select class",
        Action::InputGradient => "image gradient",
        Action::ActivateBackward { .. } => "activation backward",
        Action::ReduceBackward { .. } => "gradient sums",
        Action::BackwardParameters { .. } => "weight gradient",
        Action::BackwardInput { .. } => "input gradient",
        Action::Accumulate { .. } => "add gradients",
    }
}

/// How products are computed: `direct`, `winograd`, `winograd bf16`; empty if there are none.
pub fn way_name(algorithm: Option<Algorithm>, precision: Option<Precision>) -> String {
    let way = match algorithm {
        None => return String::new(),
        Some(Algorithm::Direct) => "direct",
        Some(Algorithm::Winograd) => "winograd",
        Some(Algorithm::Depthwise) => "depthwise",
    };
    match precision {
        Some(Precision::Bf16) => format!("{way} bf16"),
        _ => way.to_owned(),
    }
}

fn steps(plan: &PlanSummary, style: Style) -> String {
    let mut table = Table::new([
        Column::right("stage"),
        Column::left("node"),
        Column::left("step"),
        Column::left("fused"),
        Column::left("way"),
        Column::right("multiply-adds"),
        Column::right("made"),
        Column::right("bytes"),
        Column::left("reads"),
        Column::left("writes"),
    ]);
    let mut stage = 0;
    for step in &plan.steps {
        if step.stage != stage {
            table.rule();
            stage = step.stage;
        }
        let reads: Vec<String> = step.reads.iter().map(place).collect();
        table.row([
            Cell::from(step.stage.to_string()),
            node(step).into(),
            action_name(step.action).into(),
            fused(step).into(),
            way_name(step.algorithm, step.precision).into(),
            number(step.multiply_adds),
            number(step.multiply_adds_made),
            bytes(step.bytes as u64).into(),
            reads.join(", ").into(),
            step.writes.as_ref().map_or(String::new(), place).into(),
        ]);
    }
    table.rule();
    table.row([
        Cell::from(""),
        Cell::new("total", Tone::Bold),
        "of an image".into(),
        "".into(),
        "".into(),
        number(plan.multiply_adds),
        number(plan.multiply_adds_made),
        bytes(plan.bytes as u64).into(),
        "".into(),
        "".into(),
    ]);
    table.render(style)
}

fn slots(plan: &PlanSummary, style: Style) -> String {
    let mut table = Table::new([Column::left("slot"), Column::right("of a shard"), Column::left("lives")]);
    let kinds = [
        ("shard", &plan.shard_slot_bytes, "within a stage, in the cache"),
        ("kept", &plan.kept_slot_bytes, "from stage to stage, in memory"),
    ];
    for (kind, slots, lives) in kinds {
        for (index, &slot) in slots.iter().enumerate() {
            table.row([
                Cell::from(format!("{kind} {index}")),
                bytes(slot as u64).into(),
                Cell::new(lives, Tone::Dim),
            ]);
        }
    }
    table.render(style)
}

fn totals(plan: &PlanSummary, peak: &Peak) -> String {
    let PlanMemory { shard_slots, kept_slots, gradients, scratch, packed_parameters } = plan.memory;
    let ceiling = plan.ceiling(peak);
    let gflops = |multiply_adds: f64| significant(2.0 * multiply_adds / 1e9);
    let stages = if plan.stages == 1 { "stage" } else { "stages" };
    format!(
        "order           {stage_count} {stages}, {shards} shards of {images} images, {chunks} at a time\n\
         multiply-adds   {adds} per image, {made} of them performed ({share:.0} %)\n\
         bytes           {bytes} per image, {kept_bytes} of them kept from stage to stage\n\
         memory          {memory}: shard slots {shard_slots}, kept slots {kept_slots}, gradients {gradients}, \
         scratch {scratch}, packed parameters {packed}\n\
         peak            {peak} GFLOP/s in f32, {peak_bf16} in bf16, all threads together\n\
         ceiling         {direct} images/s from the multiply-adds of the definition, {products} from those performed\n",
        stage_count = plan.stages,
        shards = plan.shards,
        images = plan.batch.div_ceil(plan.shards),
        chunks = chunks(&plan.chunks),
        adds = count(plan.multiply_adds),
        made = count(plan.multiply_adds_made),
        share = 100.0 * plan.multiply_adds_made as f64 / plan.multiply_adds as f64,
        bytes = bytes(plan.bytes as u64),
        kept_bytes = bytes(plan.kept_bytes as u64),
        memory = bytes(plan.memory.total() as u64),
        shard_slots = bytes(shard_slots as u64),
        kept_slots = bytes(kept_slots as u64),
        gradients = bytes(gradients as u64),
        scratch = bytes(scratch as u64),
        packed = bytes(packed_parameters as u64),
        peak = gflops(peak.f32),
        peak_bf16 = gflops(peak.bf16),
        direct = significant(ceiling.direct),
        products = significant(ceiling.made),
    )
}

/// `7`, or `2 to 16` if stages differ.
fn chunks(of_stages: &[usize]) -> String {
    match (of_stages.iter().min(), of_stages.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (least, _) => least.map_or(String::new(), ToString::to_string),
    }
}

fn node(step: &StepSummary) -> String {
    match (&step.name, step.action) {
        (Some(name), _) => name.clone(),
        (
            None,
            Action::LoadInput { .. }
            | Action::InputGradient
            | Action::Accumulate { value: ValueId::Input(_) },
        ) => "input".to_owned(),
        (None, _) => String::new(),
    }
}

fn fused(step: &StepSummary) -> String {
    let activation = step.fuses_activation.map(Activation::name);
    let bias = step.fuses_bias.then_some("bias");
    step.joins.as_deref().into_iter().chain(bias).chain(activation).collect::<Vec<_>>().join(", ")
}

fn place(region: &RegionSummary) -> String {
    match region.slot {
        Slot::Shard(slot) => format!("shard {slot}"),
        Slot::Kept(slot) => format!("kept {slot}"),
    }
}

fn number(value: u64) -> Cell {
    if value == 0 { Cell::from("") } else { thousands(value).into() }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Training => "training",
        Mode::Inference => "inference",
        Mode::Attribution => "attribution",
    }
}

/// The name of a precision on the command line.
pub fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::{Graph, preset};
    use convscope_ops::BindOptions;

    #[test]
    fn every_step_stands_under_its_titles_and_the_totals_follow() {
        let graph = Graph::new(preset("plain8-bn", [3, 32, 32], 10).unwrap()).unwrap();
        let plan =
            PlanSummary::new(&graph, BindOptions { mode: Mode::Training, precision: Precision::Bf16 }, 64);
        let text = render(&plan, &Peak { f32: 1e11, bf16: 2e11 }, Style::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "plain8-bn for images of 3x32x32: training in batches of 64, bf16");
        let column = lines[2].find("way").unwrap();
        let step =
            lines.iter().find(|line| line.contains("conv2d_1") && line.contains("  forward  ")).unwrap();
        assert_eq!(&step[column..column + 13], "winograd bf16", "{text}");
        assert!(step.contains("bias, relu"), "{text}");
        assert!(text.contains("\n    0  conv2d "), "{text}");
        assert!(text.contains("\npeak            200.0 GFLOP/s in f32, 400.0 in bf16"), "{text}");
        let ceiling = format!("ceiling         {} images/s", significant(2e11 / plan.multiply_adds as f64));
        assert!(text.contains(&ceiling), "{text}");
        assert!(!lines.iter().any(|line| line.ends_with(' ')));
    }
}

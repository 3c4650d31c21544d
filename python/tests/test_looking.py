"""Looking inside: tables, maps, reports, files for other programs, networks and searches."""

import doctest
import importlib
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import convscope
from conftest import NETWORK, stripes
from convscope import Network, ops


@pytest.mark.parametrize("name", ["convscope", *(f"convscope.{part}" for part in "network inspection run tuning".split())])
def test_the_examples_in_the_documentation_run(name) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0 and found.attempted > 0


def test_tables_are_columns(run) -> None:
    layers, channels, findings = run.layers, run.channels, run.findings
    names = ["conv2d", "batch_normalization", "conv2d_1", "average_pooling2d", "flatten", "dense"]
    assert layers["layer"] == names
    assert layers["output_shape"][0] == [8, 12, 12] and layers["parameters"].tolist()[-1] == 24 * 2 + 2
    assert np.isnan(layers["mean_abs_weight"][3]) and layers["mean_abs_weight"][0] > 0
    assert len(channels["layer"]) == 8 + 8 + 6 + 6 + 24 + 2
    for table in (layers, channels, findings, run.metrics, run.layer_metrics):
        assert len({len(column) for column in table.values()}) == 1
    assert any("few images" in text or "images" in text for text in findings["text"])


def test_pandas_takes_tables(run) -> None:
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(run.layers).loc[0, "layer"] == "conv2d"
    assert len(pandas.DataFrame(run.channels)) == 54 and len(pandas.DataFrame(run.metrics)) == 6


def test_polars_takes_tables(run) -> None:
    polars = pytest.importorskip("polars")
    assert polars.DataFrame(run.layers).height == 6 == polars.DataFrame(run.metrics).height
    assert polars.DataFrame(run.findings).height == len(run.findings["text"])


def test_feature_maps_are_what_the_operators_compute(run, data) -> None:
    image = data[0][0]
    maps = run.feature_maps(image)
    arrays = run.state_dict()
    x = image.astype(np.float32)[None] / np.float32(255)
    x = (x - mean_of(run)) / std_of(run)
    first = ops.relu(ops.conv2d(x, arrays["conv2d.weight"], arrays["conv2d.bias"], padding=1))
    np.testing.assert_allclose(maps["conv2d"], first[0], atol=1e-5)
    keys = ("running_mean", "running_var", "weight", "bias")
    second = ops.batch_norm(first, *(arrays[f"batch_normalization.{key}"] for key in keys))
    np.testing.assert_allclose(maps["batch_normalization"], second[0], atol=1e-5)
    third = ops.relu(ops.conv2d(second, arrays["conv2d_1.weight"], arrays["conv2d_1.bias"]))
    np.testing.assert_allclose(run.activations(data[0][:70], "conv2d_1")[0], third[0], atol=1e-5)
    assert run.activations(data[0][:70], "dense").shape == (70, 2)
    logits = run.activations(data[0][:5], "dense")
    np.testing.assert_allclose(ops.softmax(logits, 1), run.predict(data[0][:5]).probabilities, atol=1e-6)
    assert list(maps) == run.layers["layer"] and maps["dense"].shape == (2, 1, 1)
    with pytest.raises(KeyError, match="no layer is called conv; there are conv2d, "):
        maps["conv"]
    with pytest.raises(ValueError, match="no layer is called conv"):
        run.activations(data[0][:1], "conv")
    assert maps._repr_html_().count("<img") == 4 and "conv2d_1 [6, 10, 10]" in repr(maps)


def mean_of(run) -> np.ndarray:
    pixels = stripes(80)[0] / 255
    return np.float32(pixels.mean())


def std_of(run) -> np.ndarray:
    return np.float32((stripes(80)[0] / 255).std())


def test_heat_maps(run, data) -> None:
    image = data[0][1]
    cam = run.grad_cam(image, "rows", layer="conv2d")
    assert (cam.method, cam.layer, cam.target, cam.class_name, cam.prediction) == ("grad_cam", "conv2d", 0, "rows", "columns")
    assert cam.values.shape == (12, 12) == np.asarray(cam).shape and cam.values.min() >= 0
    assert cam.picture.shape == (12, 12, 3) and cam._repr_png_().startswith(b"\x89PNG")
    assert run.saliency(image).target == 1 and run.occlusion(("val", 2)).values.ndim == 2
    np.testing.assert_array_equal(run.saliency(3).values, run.saliency(("test", 3)).values)
    with pytest.raises(ValueError, match="no class is called cat; there are rows, columns"):
        run.grad_cam(image, "cat")
    with pytest.raises(ValueError, match="target is 2, there are 2 classes"):
        run.grad_cam(image, 2)
    with pytest.raises(ValueError, match="image"):
        run.grad_cam(3000)


def test_values_on_another_scale_are_refused(run, data) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        run.predict(data[0].astype(np.float32))
    with pytest.raises(ValueError, match=r"\[1, 12, 11\]"):
        run.predict(data[0][..., :11])


def test_the_report_is_a_page(run, tmp_path) -> None:
    report = run.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == report.html and page.lstrip().startswith("<!doctype html>") and "conv2d_1" in page
    frame = report._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and "<script" not in frame
    assert repr(report).startswith("Report(network on arrays")


def test_exports(run, tmp_path, data) -> None:
    run.save(tmp_path / "net.safetensors")
    again = convscope.inspect(tmp_path / "net.safetensors", data[0], data[1])
    np.testing.assert_array_equal(again.predict(data[0][:3]).probabilities, run.predict(data[0][:3]).probabilities)
    run.export_onnx(tmp_path / "net.onnx")
    # The file says how its images are prepared; prepared ones need no more.
    look = convscope.inspect(tmp_path / "net.onnx", data[0])
    np.testing.assert_allclose(look.predict(data[0]).probabilities, run.predict(data[0]).probabilities, atol=1e-5)
    images = (data[0] / np.float32(255) - mean_of(run)) / std_of(run)
    bare = convscope.inspect(tmp_path / "net.onnx", images, normalize="unit", classes=["a", "b"])
    np.testing.assert_allclose(bare.predict(images).probabilities, run.predict(data[0]).probabilities, atol=1e-5)
    assert bare.classes == ["a", "b"]
    assert look.classes == run.classes and look.accuracy is None
    assert look.layers["type"].count("batch_normalization") == 1
    for text, wrong in (
        ("normalize is half, must be unit, imagenet or tf", {"normalize": "half"}),
        (r"mean is \[0.0, 0.0\], must be 1 finite numbers", {"mean": [0, 0]}),
        (r"std is \[0.0\], must be above 0", {"std": [0]}),
        ("resize is wide", {"resize": "wide"}),
        ("channel_order is gbr", {"channel_order": "gbr"}),
        ("output", {"output": "boxes"}),
    ):
        with pytest.raises(ValueError, match=text):
            convscope.inspect(tmp_path / "net.onnx", images, **wrong)
    with pytest.raises(ValueError, match="mean: for ONNX files and modules of PyTorch; a run knows"):
        convscope.inspect(run, images, mean=[0])
    arrays = run.state_dict()
    assert arrays["conv2d.weight"].shape == (8, 1, 3, 3) and arrays["conv2d.weight"].flags.writeable
    assert arrays["batch_normalization.num_batches_tracked"].dtype == np.int64
    arrays["conv2d.weight"][...] = 0
    assert run.state_dict()["conv2d.weight"].any()


def test_inspecting_a_run_on_other_images(run) -> None:
    look = convscope.inspect(run, *stripes(12, seed=5), limit=8)
    assert look.accuracy == 1.0 and look.layers["layer"] == run.layers["layer"]
    assert look.evaluate(split="train").images == 12
    assert repr(look) == "Inspection(network on arrays)"
    with pytest.raises(TypeError, match="model has type int, must be"):
        convscope.inspect(7, stripes(4)[0])


def test_a_module_without_torch_says_what_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch onnx"):
        convscope.inspect(Module(), stripes(4)[0])


class Module:
    """What a module of PyTorch has, without PyTorch."""

    def state_dict(self) -> dict:
        return {}


def test_networks(tmp_path) -> None:
    network = Network(NETWORK, input=(1, 12, 12), classes=2, name="small")
    assert network.name == "small" and network.summary()["name"][0] == "conv2d"
    again = Network.from_toml(network.to_toml())
    assert again.to_toml() == network.to_toml()
    (tmp_path / "net.toml").write_text(network.to_toml())
    assert Network(tmp_path / "net.toml", input=(1, 12, 12)).summary() == network.summary()
    assert "<table>" in network._repr_html_() and repr(Network("resnet8")).startswith("Network(resnet8 for images of any size")
    with pytest.raises(ValueError, match="unknown operator `conv`"):
        Network(["conv"])
    with pytest.raises(ValueError, match="out_channels"):
        Network([{"op": "conv2d", "kernel_size": 3}])
    run = convscope.train(stripes(20), network, epochs=1, progress=False)
    assert run.network.to_toml() == network.to_toml()
    with pytest.raises(ValueError, match="12"):
        convscope.train(stripes(20, size=10), network, epochs=1, progress=False)


def test_a_search(tmp_path) -> None:
    from test_training import pictures

    pictures(tmp_path / "data")
    call = {"grid": {"lr": [0.001, 0.01]}, "epochs": 1, "batch_size": 8, "image_size": 16, "progress": False}
    network = Network(NETWORK, input=(3, 16, 16), classes=2)
    found = convscope.tune(tmp_path / "data", network, **call, out=tmp_path / "study")
    assert sorted(found.trials["lr"]) == [0.001, 0.01] and found.trials["state"] == ["COMPLETE"] * 2
    assert found.best["rank"] == 1 and found.best_run().metrics["epoch"].tolist() == [1]
    first = json.loads(pathlib.Path(found.storage).read_text().splitlines()[0])
    assert first["op_code"] == 0
    if optuna := importable("optuna"):
        journal = importlib.import_module("optuna.storages.journal").JournalFileBackend(found.storage)
        study = optuna.load_study(study_name=found.study, storage=optuna.storages.JournalStorage(journal))
        assert sorted(trial.params["lr"] for trial in study.trials) == [0.001, 0.01]
        assert study.best_trial.number == found.best["trial"]
        assert study.best_value == pytest.approx(found.best["validation_accuracy"])
    # The same call continues, and here has nothing left to do.
    assert convscope.tune(tmp_path / "data", network, **call, out=tmp_path / "study").trials == found.trials
    with pytest.raises(ValueError, match="learning_speed is not a training setting"):
        convscope.tune(tmp_path / "data", grid={"learning_speed": [1]}, progress=False, out=tmp_path / "other")
    with pytest.raises(TypeError, match="data has type tuple"):
        convscope.tune(stripes(20), grid={"lr": [1]})


def importable(name: str):
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def test_the_command_is_in_the_package() -> None:
    command = [sys.executable, "-m", "convscope"]
    said = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.startswith(f"convscope {convscope.__version__}")
    wrong = subprocess.run([*command, "train", "--epochz", "1"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "--epochs" in wrong.stderr

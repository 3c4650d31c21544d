"""Trains on arrays, and prints what the network has learned."""

import numpy as np

import convscope


def main() -> None:
    random = np.random.default_rng(1)
    labels = np.arange(200) % 2
    images = random.random((200, 1, 16, 16), dtype=np.float32)
    # Class 1 has a bright square.
    images[labels == 1, :, 4:9, 6:11] += 0.5

    def follow(metrics: dict[str, float]) -> bool:
        print(f"epoch {metrics['epoch']}: {metrics['val_accuracy']:.0%}")
        return metrics["val_accuracy"] < 1.0

    run = convscope.train((images, labels), model="plain8", epochs=10, lr=0.002, callbacks=[follow], progress=False)
    print(run)
    print(run.grad_cam(images[1]))
    for layer, zeros in zip(run.layers["layer"], run.layers["zero_share"]):
        print(f"{layer:20} {zeros:.0%} zeros")


if __name__ == "__main__":
    main()

"""Everything that decides one training run, and its checks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Schedule = Literal[
    "constant", "step", "multistep", "exponential", "cosine", "one_cycle", "linear", "reduce_on_plateau"
]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """One recipe is one reproducible training run: same recipe, data, device and thread count,
    same bits. The defaults are the origin's "improved" notebook without its regularisation.

    A setting of a schedule that is not chosen has no effect. Impossible values raise pydantic's
    ValidationError, one line a fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Literal["mlp", "linear", "lenet5", "cnn"] = Field(
        "mlp", description="The network. cnn: five convolutions with batch norm."
    )
    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = Field(
        (128, 64), description="Units of each hidden layer of an mlp, first to last."
    )
    width: int = Field(
        16, ge=1, le=1024, description="Maps of a cnn's first layer; its last have four times as many."
    )
    dropout: Fraction = Field(
        0.0,
        description="Share of hidden units dropped in each training step; of the fully connected ones alone "
        "in lenet5 and cnn.",
    )
    input_dropout: Fraction = Field(0.0, description="Share of input pixels dropped in each training step.")
    learning_rate: float = Field(1e-3, gt=0, le=100, description="Peak rate of the schedule.")
    weight_decay: float = Field(
        0.0, ge=0, lt=1, description="Coupled L2 for adam and sgd, decoupled for adamw. Biases included."
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="sgd has Nesterov momentum; adam has betas 0.9, 0.999 and eps 1e-8."
    )
    momentum: Fraction = Field(0.9, description="Of sgd.")
    batch_size: int = Field(64, ge=1, le=65536, description="Images per step; the last one may be smaller.")
    epochs: int = Field(10, ge=1, le=10000, description="Passes over the training split.")
    ema: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Epochs over which the weights are averaged, exponentially; the average is what is "
        "measured and saved. 0: the weights as the last step left them.",
    )
    label_smoothing: Fraction = Field(0.0, description="Share of the target spread over all classes.")
    gradient_clip: float | None = Field(
        None, gt=0, description="Largest L2 norm of the whole gradient; none when left out."
    )
    rotation: float = Field(
        0.0, ge=0, le=180, description="Images are turned by up to so many degrees, anew in every epoch."
    )
    scaling: Fraction = Field(
        0.0, description="Images are stretched or squeezed by up to this share, wide and high each."
    )
    shear: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Images are slanted: a row moves aside by up to this share of its height.",
    )
    shift: float = Field(
        0.0, ge=0, le=0.5, description="Images are moved by up to this share of their side, each way."
    )
    elastic_strength: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Pixels are displaced by this share of the side (root mean square, along each axis), "
        "neighbours alike. Simard 2003 has 0.05 (alpha 34 and sigma 4 pixels).",
    )
    elastic_smoothness: float = Field(
        0.14,
        ge=0.05,
        le=1,
        description="Deviation of the Gaussian that smooths those displacements, as a share of the side. "
        "Simard 2003 has 0.14 (4 pixels of 28).",
    )
    normalisation: Literal["origin", "dataset"] = Field(
        "origin", description="origin: mean 0.5, std 0.5. dataset: the training split's own mean and std."
    )
    schedule: Schedule = Field("constant", description="How the learning rate moves over training.")
    gamma: float = Field(
        0.5, gt=0, lt=1, description="Factor of step, multistep, exponential and reduce_on_plateau."
    )
    step_epochs: int = Field(5, ge=1, description="step: epochs between two cuts.")
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (5, 8), description="multistep: the epochs after which the rate is cut."
    )
    patience: int = Field(2, ge=0, description="reduce_on_plateau: epochs without a better validation loss.")
    warmup: Fraction = Field(
        0.3, description="one_cycle and cosine: share of training in which the rate rises to its peak."
    )
    final_rate: float = Field(
        1e-3, ge=0, le=1, description="one_cycle, cosine, linear: last rate as a share of the peak."
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="Of the weights, the order of images, dropout and distortions."
    )

    @model_validator(mode="after")
    def _milestones_rise(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, but got {list(self.milestones)}")
        return self

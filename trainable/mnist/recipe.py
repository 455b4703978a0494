"""The hyperparameters of one training run, and their checks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ScheduleName = Literal[
    "constant", "step", "multistep", "exponential", "cosine", "one_cycle", "linear", "reduce_on_plateau"
]
"""Names of the learning-rate schedules."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A number from 0 to below 1."""


class Recipe(BaseModel):
    """Everything that decides one training run: the same recipe, data, device and thread count give the same
    model to the bit. The defaults are those of the original "improved" notebook, without its regularization.

    The settings of a schedule that is not chosen have no effect. Invalid values raise pydantic's
    ValidationError, with one line per error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    model: Literal["mlp", "linear", "lenet5", "cnn"] = "mlp"
    """The network. cnn: five convolutions with batch norm."""
    hidden_sizes: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = (128, 64)
    """Units of each hidden layer of an mlp, first to last."""
    width: int = Field(16, ge=1, le=1024)
    """Channels of a cnn's first layer. Its last layers have four times as many."""
    dropout: Fraction = 0.0
    """Share of hidden units dropped in each training step. In lenet5 and cnn only units of fully connected
    layers are dropped."""
    input_dropout: Fraction = 0.0
    """Share of input pixels dropped in each training step."""
    learning_rate: float = Field(1e-3, gt=0, le=100)
    """Peak rate of the schedule."""
    weight_decay: float = Field(0.0, ge=0, lt=1)
    """L2 penalty for adam and sgd, decoupled decay for adamw. Applies to biases too."""
    precision: Literal["float32", "bf16", "tf32"] | None = None
    """Of the factors of matrix products in training; float32 if omitted. bf16 is for processors with AMX or
    AVX512-BF16 and for GPUs, tf32 for NVIDIA GPUs. Sums, weights and the optimizer are in float32, and so is
    validation."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """sgd uses Nesterov momentum. adam and adamw use betas 0.9 and 0.999, and eps 1e-8."""
    momentum: Fraction = 0.9
    """Momentum of sgd."""
    batch_size: int = Field(64, ge=1, le=65536)
    """Images per step. The last batch of an epoch may be smaller."""
    epochs: int = Field(10, ge=1, le=10000)
    """Number of passes over the training split."""
    ema: float = Field(0.0, ge=0, le=1000)
    """Horizon of the exponential moving average of the weights, in epochs. The averaged weights are evaluated
    and saved. 0: no averaging."""
    label_smoothing: Fraction = 0.0
    """Share of the target that is spread over all classes."""
    gradient_clip: float | None = Field(None, gt=0)
    """Maximum L2 norm of the gradient; no clipping if omitted."""
    rotation: float = Field(0.0, ge=0, le=180)
    """Maximum rotation of an image in degrees, in either direction. Drawn again in every epoch, like all
    distortions."""
    scaling: Fraction = 0.0
    """Maximum share by which an image is stretched or squeezed, in width and height separately."""
    shear: float = Field(0.0, ge=0, le=1)
    """Maximum shear: horizontal shift of a row as a share of its height in the image."""
    shift: float = Field(0.0, ge=0, le=0.5)
    """Maximum shift of an image as a share of its side, in each direction."""
    elastic_strength: float = Field(0.0, ge=0, le=0.5)
    """Root mean square displacement of the pixels along each axis, as a share of the side. Simard 2003 uses
    0.05 (alpha 34 and sigma 4 pixels)."""
    elastic_smoothness: float = Field(0.14, ge=0.05, le=1)
    """Standard deviation of the Gaussian that smooths these displacements, as a share of the side. Simard
    2003 uses 0.14 (4 of 28 pixels)."""
    normalisation: Literal["origin", "dataset"] = "origin"
    """How pixels are normalized. origin: with mean 0.5 and std 0.5. dataset: with the mean and std of the
    training split."""
    schedule: ScheduleName = "constant"
    """How the learning rate changes during training."""
    gamma: float = Field(0.5, gt=0, lt=1)
    """step, multistep, exponential, reduce_on_plateau: factor of each reduction of the rate."""
    step_epochs: int = Field(5, ge=1)
    """step: number of epochs between two reductions."""
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = (5, 8)
    """multistep: the epochs after which the rate is reduced."""
    patience: int = Field(2, ge=0)
    """reduce_on_plateau: number of epochs without a better validation loss before the rate is reduced."""
    warmup: Fraction = 0.3
    """one_cycle, cosine: share of the training in which the rate rises to its peak."""
    final_rate: float = Field(1e-3, ge=0, le=1)
    """one_cycle, cosine, linear: last rate as a share of the peak."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the initial weights, the order of the images, dropout and distortions."""

    @model_validator(mode="after")
    def _milestones_rise(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, but got {list(self.milestones)}")
        return self

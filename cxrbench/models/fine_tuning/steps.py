"""Compiled training steps of a whole network: AdamW with a rate for each layer, and a moving average of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.models.fine_tuning.network import Network

    Array = NDArray[np.float32]

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-7
"""Of Adam, as for heads."""
LATEST, AVERAGE_OVER = 0.1, 100
"""Weights are averaged over this share of the steps so far, and over this many at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast each variable learns.

    Attributes:
        shares: of the learning rate, by variable.
        weight_decay: of kernels alone, times the rate, in each step (Loshchilov and Hutter, ICLR 2019).
    """

    shares: tuple[float, ...]
    weight_decay: float


def average_over(step: Any) -> Any:
    """Return the number of latest steps that the average covers, about, after so many: it moves by 1 / that number."""
    return keras.ops.minimum(1 + LATEST * (step - 1), AVERAGE_OVER)


class NetworkSteps:
    """The variables of a network in training, their moments and averages, and its compiled steps.

    Keras has no learning rate by layer, and Adam's step does not depend on the scale of a gradient, so the step is scaled.
    """

    def __init__(
        self,
        network: Network,
        loss: Callable[[Any, Any], Any],
        batch_size: int,
        average_over: Callable[[Any], Any] = average_over,
    ) -> None:
        """Compile the steps of a network."""
        import tensorflow

        self._network, self._loss, self._batch_size, self._average_over = network, loss, batch_size, average_over
        self._learning = [variable.value for variable in network.learning]
        self._weights = [*self._learning, *(variable.value for variable in network.statistics)]
        self._other_state = [variable.value for variable in network.other_state]
        self._moments = [[_zero_like(variable) for variable in self._learning] for _ in range(2)]
        self._averages = [_zero_like(variable) for variable in self._weights]
        self._count = tensorflow.Variable(0.0)
        self._shares = tensorflow.Variable(np.ones(len(self._learning), dtype=np.float32))
        self._weight_decay = tensorflow.Variable(0.0)
        images, noise = (tensorflow.TensorSpec(one.shape, one.dtype) for one in network.training.inputs)
        vector = tensorflow.TensorSpec((None,), tensorflow.float32)
        function = tensorflow.function(self._steps, input_signature=[images, noise, vector, vector, vector], autograph=False)
        self._compiled = function.get_concrete_function()

    def reset(self, weights: Sequence[Array], rates: Rates) -> None:
        """Start a training from these weights, which are the average, too."""
        for variable, average, value in zip(self._weights, self._averages, weights, strict=True):
            variable.assign(value)
            average.assign(value)
        for moment in (one for moments in self._moments for one in moments):
            moment.assign(np.zeros(moment.shape, dtype=np.float32))
        self._count.assign(0.0)
        self._set_rates(rates)

    def restore(self, state: Sequence[Array], rates: Rates) -> None:
        """Continue a training whose `state` was kept."""
        for variable, value in zip(self._all, state, strict=True):
            variable.assign(value.reshape(variable.shape))
        self._set_rates(rates)

    @property
    def state(self) -> list[Array]:
        """Copies of all that the next step depends on, but the rates."""
        return [variable.numpy().copy() for variable in self._all]

    @property
    def averages(self) -> list[Array]:
        """Copies of the averaged weights, in the order of the network's `learning` and `statistics`."""
        return [variable.numpy().copy() for variable in self._averages]

    def take(self, images: Array, noise: NDArray[np.uint16], labels: Array, weights: Array, learning_rates: Array) -> None:
        """Take one step per batch, in row order; the last batch may be smaller.

        Args:
            images: float32 ``[n, height, width, 1]``.
            noise: uint16 ``[n, units]``, of the dropout.
            labels: float32 ``[n]``.
            weights: float32 ``[n]``.
            learning_rates: float32 ``[steps]``.
        """
        import tensorflow

        self._compiled(*(tensorflow.constant(array) for array in (images, noise, labels, weights, learning_rates)))

    @property
    def _all(self) -> Iterator[Any]:
        yield from self._weights
        for moments in self._moments:
            yield from moments
        yield from self._averages
        yield self._count
        yield from self._other_state

    def _set_rates(self, rates: Rates) -> None:
        self._shares.assign(np.array(rates.shares, dtype=np.float32))
        self._weight_decay.assign(rates.weight_decay)

    def _steps(self, images: Any, noise: Any, labels: Any, weights: Any, learning_rates: Any) -> None:
        import tensorflow

        def step(number: Any) -> Any:
            start = number * self._batch_size
            batch = (array[start : start + self._batch_size] for array in (images, noise, labels, weights))
            self._step(*batch, learning_rate=learning_rates[number])
            return number + 1

        count = tensorflow.shape(learning_rates)[0]
        tensorflow.while_loop(lambda number: number < count, step, [0], parallel_iterations=1)

    def _step(self, images: Any, noise: Any, labels: Any, weights: Any, *, learning_rate: Any) -> None:
        import tensorflow

        with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._learning)
            logits = self._network.call(images, noise)[:, 0]
            loss = tensorflow.reduce_mean(self._loss(labels, logits) * weights)
        self._count.assign_add(1.0)
        self._learn(tape.gradient(loss, self._learning), learning_rate)
        over = self._average_over(self._count)
        for variable, average in zip(self._weights, self._averages, strict=True):
            average.assign_sub((average - variable) / over)

    def _learn(self, gradients: Sequence[Any], learning_rate: Any) -> None:
        import tensorflow

        first_power, second_power = FIRST_DECAY**self._count, SECOND_DECAY**self._count
        rows = zip(self._learning, *self._moments, gradients, strict=True)
        for number, (variable, first, second, gradient) in enumerate(rows):
            rate = learning_rate * self._shares[number]
            if len(variable.shape) > 1:
                variable.assign_sub(rate * self._weight_decay * variable)
            tensorflow.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=first_power,
                beta2_power=second_power,
                lr=rate,
                beta1=FIRST_DECAY,
                beta2=SECOND_DECAY,
                epsilon=EPSILON,
                grad=gradient,
            )


def _zero_like(variable: Any) -> Any:
    import tensorflow

    return tensorflow.Variable(tensorflow.zeros_like(variable))

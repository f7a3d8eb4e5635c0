"""The steering desk: messages from every channel -> what each chunk is told, at chunk borders, echoed.

The line opens `desk.plan` with `desk.regions`, makes `desk.chunks()`, asks `desk.at(chunk)` what each is
told, sends what it shows through `desk.shown`, and says how it fares to `desk.status`. A message is judged as
`--set` is, in the desk's own thread, where its pictures are loaded, and where `desk.prepare` makes beside the
running stream what the model needs of them. It is answered at once, and again with the frame where it holds.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from queue import Queue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from vacestream.ahead import anchors_ahead
from vacestream.changes import NONE, told
from vacestream.changes import joined as with_choices
from vacestream.condition import Steering
from vacestream.errors import RecipeError, VacestreamError
from vacestream.live.edits import edited, moments, turned
from vacestream.live.gallery import Gallery
from vacestream.live.orders import SCHEMA, Fade, Order, Posted, Reply, nobody
from vacestream.live.region import Region
from vacestream.live.scenes import joined, keys_of
from vacestream.live.screen import Screen
from vacestream.live.verbs import Message, read_message
from vacestream.media.contracts import Source
from vacestream.moments import num_blended
from vacestream.passes import anchor_at, teller
from vacestream.plan import Plan
from vacestream.recipe import Recipe
from vacestream.timeline import Chunk
from vacestream.vcu import VCU


class Desk:
    """What holds now, what is to come, and who is told of it."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plan = joined(plans)
        self.prepare: Callable[[Steering], None] = lambda _: None
        """Makes ahead of time what chunks need that are told this; set by the line when weights are there."""
        self.gallery: Gallery | None = None
        """Keeps the last pictures, where somebody looks."""
        self._scenes = [plan.recipe for plan in plans]
        self._now = self._asked = plans[0].recipe
        self._tell, self._ahead = teller(self.plan), anchors_ahead(self.plan)
        self._steering = self._tell(told(self._now)[0])
        self._switches = list(plans[0].switches)
        self._fade: Fade | None = None
        self._switch: Literal["recache", "keep"] | None = None
        self._reset: tuple[int, Literal["soft", "hard"]] | None = None
        """The chunk that forgets what was before it, and how."""
        self._orders: deque[Order] = deque()
        self._screen = Screen()
        self._region: Region | None = None
        self._posted: Queue[Posted | None] = Queue()
        self._listeners: list[Reply] = []
        self._lock, self._thread = Lock(), Thread(target=self._work, name="desk", daemon=True)
        self.scene = 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._posted.put(None)
        self._thread.join()

    def post(self, data: Any, reply: Reply) -> None:
        """Take a message, from any thread; `reply` gets its answers: accepted or refused, then took."""
        try:
            message = read_message(data)
        except VacestreamError as error:
            self.refuse(error, reply, data.get("id") if isinstance(data, dict) else None)
            return
        if message.blackout is not None or message.freeze is not None:
            reply(self._answer("accepted", message.id))
            self._screen.add(Order(message, reply))
        else:
            self._posted.put(Posted(message, reply, lambda recipe: self._keys_of(message, recipe)))

    def turn(self, recipe: Recipe, keys: Sequence[str], reply: Reply) -> None:
        """Take these keys of another recipe, as if a message had set them."""
        message = Message(set=recipe.model_dump(mode="json", include={*keys}))
        self._posted.put(Posted(message, reply, lambda _: turned(recipe, keys, self.plan)))

    def refuse(self, error: VacestreamError, reply: Reply, given: Any = None) -> None:
        """Answer what is no message."""
        reply(self._answer("refused", given, message=str(error), code=error.code))

    def listen(self, listener: Reply) -> None:
        """Tell this one of every change that takes effect, and how the line fares."""
        self._listeners.append(listener)

    def settle(self) -> None:
        """Wait until all that was posted is refused, or ready for the next chunk border."""
        self._posted.join()

    def _work(self) -> None:
        """The desk's thread: judge and prepare what was posted, in order."""
        while (posted := self._posted.get()) is not None:
            try:
                self._judge(posted)
            except VacestreamError as error:
                self.refuse(error, posted.reply, posted.message.id)
            except Exception as error:  # a bug ends no stream
                what = f"unexpected {type(error).__name__}: {error}; the stream goes on without this"
                self.refuse(VacestreamError(what), posted.reply, posted.message.id)
            finally:
                self._posted.task_done()

    def _judge(self, posted: Posted) -> None:
        """Accept a message, and make ready what it needs."""
        with self._lock:
            recipe = self._asked
        keys = posted.keys(recipe)
        asked, message = recipe.model_copy(update=keys), posted.message
        blend = num_blended(message.blend, self.plan.spec, self.plan.fps)
        steering = self._tell(told(asked)[0])
        region = None
        if self._region is not None and asked.mask != recipe.mask:
            region = self._region.open(told(asked)[0].mask)
        posted.reply(self._answer("accepted", message.id))
        self.prepare(steering)
        with self._lock:
            self._orders.append(Order(message, posted.reply, keys, blend, region))
            self._asked = self._asked.model_copy(update=keys)

    def _keys_of(self, message: Message, recipe: Recipe) -> dict[str, Any]:
        if message.set is not None:
            return edited(recipe, message.set, self.plan)
        if message.scene is None:
            return {}
        if message.scene > len(self._scenes):
            raise RecipeError(f"scene: there are {len(self._scenes)}; name more recipes to turn between more")
        return keys_of(self._scenes[message.scene - 1])

    def regions(self, plan: Plan, stack: ExitStack) -> Source:
        """The region that the masks name, which changes with them; for `open_passes`."""
        self._region = Region(plan, stack)
        return self._region

    def chunks(self) -> Iterator[Chunk]:
        """The chunks of the stream, until it is told to stop."""
        for chunk in self.plan.chunks():
            with self._lock:
                early = [i for i, order in enumerate(self._orders) if order.is_early]
            if self._take_next(early[-1] + 1 if early else 0, chunk):
                return
            for switch in [one for one in self._switches if one.chunk == chunk.index]:
                self._take(self._change(switch.index, switch.blend, chunk), chunk)
            yield chunk

    def at(self, chunk: Chunk) -> Steering:
        """What a chunk is told; what waits takes effect, up to what comes before the frames are read."""
        with self._lock:
            early = (i for i, order in enumerate(self._orders) if order.is_early)
            count = next(early, len(self._orders))
        self._take_next(count, chunk)
        fading = self._fade.at(chunk.index) if self._fade else None
        resets = self._reset is not None and self._reset[0] == chunk.index
        manner = replace(self._steering.manner, reset=self._reset[1] if self._reset and resets else None)
        return replace(
            self._steering,
            manner=manner,
            fading=fading,
            ahead=self._ahead(chunk),
            anchor=anchor_at(self.plan, chunk.index, self._steering.references),
        )

    def watch(self, vcus: Iterable[tuple[Chunk, VCU]], stack: ExitStack) -> Iterable[tuple[Chunk, VCU]]:
        """The same VCUs, seen by who looks."""
        return vcus if self.gallery is None else self.gallery.watch(vcus, stack)

    def shown(self, chunk: Chunk, frames: np.ndarray) -> np.ndarray:
        """What outputs show of the frames [T H W 3] of a chunk, or of a part of it."""
        for order in self._screen.turn(chunk):
            self._echo(order, chunk)
        first, shown = self._screen.frame, self._screen.show(frames)
        if self.gallery is not None:
            self.gallery.show(chunk, first, shown)
        return shown

    def status(self, data: dict[str, Any]) -> None:
        """Tell everyone how the line fares."""
        for listener in self._listeners:
            listener({"schema": SCHEMA, "type": "status", **self.state(), **data})

    @property
    def recipe(self) -> Recipe:
        """What holds once all that was accepted has taken effect."""
        return self._asked

    def state(self) -> dict[str, Any]:
        """What holds now."""
        screen = self._screen
        shows = {"blackout": screen.blackout, "freeze": screen.freeze, "frame": screen.frame}
        return {**shows, "scene": self.scene, "prompt": self._steering.prompt}

    def _take_next(self, count: int, chunk: Chunk) -> bool:
        """Let the first orders take effect; whether one of them stops the stream."""
        for _ in range(count):
            with self._lock:
                order = self._orders.popleft()
            self._take(order, chunk)
            if order.message.stop:
                return True
        return False

    def _take(self, order: Order, chunk: Chunk) -> None:
        """From this chunk on it holds."""
        before, message = self._now, order.message
        self._now = before.model_copy(update=order.keys)
        if "prompt" in order.keys:
            self._fade = Fade(before.prompt, chunk.index, order)
        if order.region is not None and self._region is not None:
            self._region.swap(order.region)
        if "timeline" in order.keys:
            shift = chunk.index if message.scene else 0
            self._switches = [replace(one, chunk=one.chunk + shift) for one in moments(self._now, self.plan)]
        if {"prompt", "loras"} & order.keys.keys():
            self._switch = message.switch
        if message.reset is not None:
            self._reset = chunk.index, message.reset
        self.scene = message.scene or self.scene
        self._steering = self._tell(replace(told(self._now)[0], switch=self._switch))
        self._echo(order, chunk)

    def _change(self, index: int, blend: int, chunk: Chunk) -> Order:
        """A change of the timeline as an order."""
        change = self._now.timeline[index]
        keys = {
            key: NONE[key] if (value := getattr(change, key)) is None else value for key in change.changed
        }
        if change.vace is not None:
            keys["vace"] = with_choices(self._now.vace, change.vace)
        with self._lock:
            self._asked = self._asked.model_copy(update=keys)
        region = None
        if "mask" in keys and self._region is not None and keys["mask"] != self._now.mask:
            region = self._region.open(keys["mask"], frame=chunk.start)
        message = Message(
            set=change.model_dump(mode="json", include=set(keys)),
            blend_by=change.blend_by,
            switch=change.switch,
            reset="hard" if change.cut else None,
        )
        return Order(message, nobody, keys, blend, region)

    def _echo(self, order: Order, chunk: Chunk) -> None:
        data = {"chunk": chunk.index, **order.message.told}
        answer = {**self._answer("took", order.message.id), "frame": chunk.start, **data}
        for listener in {id(one): one for one in (*self._listeners, order.reply)}.values():
            listener(answer)

    def _answer(self, kind: str, given: Any, **more: Any) -> dict[str, Any]:
        said = {} if given is None else {"id": given}
        return {"schema": SCHEMA, "type": kind, "frame": self._screen.frame, **said, **more}

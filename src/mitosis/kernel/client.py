"""nbclient's client of a notebook. Importing this takes 0.15 s: the kernel starts meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.connect import KernelConnectionInfo
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError
from nbformat import NotebookNode, v4
from traitlets import Type

from mitosis.kernel.kernel_process import CellError
from mitosis.kernel.output import KernelOutput
from mitosis.kernel.printed import Printed
from mitosis.kernel.widgets import VIEW, Widgets
from mitosis.screen import OutputListener
from mitosis.text import cut

_RECONNECT_MS = 5
"""How often to look whether the kernel has its sockets by now. ZeroMQ would wait 100 ms each time."""
_LATE_OUTPUT_S = 3600
"""How long what a cell printed may come after the answer that it is through. nbclient would pass over it after 4 s."""
_ASK_AGAIN_S = 1.0
_LATE_CHARACTERS = 20_000
"""So much of one piece of text is kept that comes after the last cell."""
_BROADCAST_S = 0.1
"""How long after an answer the broadcast that goes with it is waited for."""

_OUTPUTS = ("display_data", "execute_result", "error", "stream")


class _Broadcasts(AsyncZMQSocketChannel):
    """The kernel's broadcasts, with what it prints among them."""

    output: KernelOutput
    _reading: asyncio.Task[None] | None = None

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]
        """The next message.

        Args:
            timeout: seconds.

        Raises:
            queue.Empty: none came in time.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await self.output.next_message(timeout)

    async def _read(self) -> None:
        while True:
            self.output.take_message(await super().get_msg(timeout=None))

    def stop(self) -> None:
        """Close the socket."""
        if self._reading is not None:
            self._reading.cancel()
        super().stop()


class _KernelClient(AsyncKernelClient):
    iopub_channel_class = Type(_Broadcasts)

    def execute(self, code: str, silent: bool = False, *args: Any, **named: Any) -> str:
        parent: str = super().execute(code, silent, *args, **named)
        if not silent:
            self.iopub_channel.output.parent = parent
        return parent


class Client(NotebookClient):
    """Executes cells in the kernel, and tells the listener what they print.

    Args:
        notebook: which the cells are in.
        connection: see `KernelProcess`.
        output: what the kernel prints.
        listener: called with each piece of text that a cell prints, as it comes.
    """

    kc: AsyncKernelClient

    def __init__(
        self, notebook: NotebookNode, connection: KernelConnectionInfo, output: KernelOutput, listener: OutputListener
    ) -> None:
        super().__init__(notebook)
        self._output = output
        self._listener = listener
        self._printed: Printed | None = None
        self._widgets = Widgets(self.widget_state)
        self._widgets_text = ""
        self.troubles: list[str] = []
        """What of what the last cell printed or sent could not be kept, and why, in words."""
        self.allow_errors = False
        self.coalesce_streams = False
        self.record_timing = True
        # What a fast printer printed may still be on its way long after the cell is through: none of it may be lost.
        self.iopub_timeout = _LATE_OUTPUT_S
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self.kc = _KernelClient(context=context)
        self.kc.load_connection_info(connection)
        self.kc.iopub_channel.output = output
        # No heartbeat: that the kernel's process ended is seen at once, and a thread less has to be ended.
        self.kc.start_channels(hb=False, stdin=False)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the kernel answers.

        Raises:
            TimeoutError: it does not.
        """
        try:
            await asyncio.wait_for(self._ask_until_answered(), timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"it did not answer within {timeout_s} s") from error

    async def _ask_until_answered(self) -> None:
        """Ask what kernel it is until the answer comes, and the kernel's broadcast that goes with it.

        jupyter_client's own way of waiting goes on for 0.2 s after that, to see whether more is broadcast. Here that
        does not matter: cells pass over whatever is not an answer to them.
        """
        asked = set()
        while True:
            asked.add(self.kc.kernel_info())
            with contextlib.suppress(queue.Empty):
                while not _answers(await self.kc.shell_channel.get_msg(timeout=_ASK_AGAIN_S), asked):
                    pass
                # What was broadcast before this subscribed to it is lost: ask again then.
                while not _answers(await self.kc.iopub_channel.get_msg(timeout=_BROADCAST_S), asked):
                    pass
                return

    async def execute_cell_at(self, index: int, printed_file: Path | None = None) -> CellError | None:
        """Execute a cell of the notebook, and give it its outputs; returns what it raised.

        Args:
            index: of the cell.
            printed_file: what to write all that it prints to if that is too much for the notebook, which then has
                its beginning and its end. None to have all of it in the notebook.
        """
        cell = self.nb.cells[index]
        self._widgets = Widgets(self.widget_state)
        self._widgets_text = ""
        self.troubles.clear()
        self._printed = None if printed_file is None else Printed(cell, printed_file)
        try:
            await self.async_execute_cell(cell, index)
        except CellExecutionError as error:
            # Of what fails while it is shown, the reply does not say what it was.
            shown = next((o for o in reversed(cell.outputs) if o.output_type == "error"), None)
            if shown is None:
                return CellError(error.ename, error.evalue, ())
            return CellError(shown.ename, shown.evalue, tuple(shown.traceback))
        finally:
            if self._printed is not None:
                self._printed.close()
                if self._printed.trouble is not None:
                    self.troubles.append(f"it printed a lot, and not all of it could be kept: {self._printed.trouble}")
            # Of widgets, the notebook shows the state that it holds.
            self.set_widgets_metadata()
        return None

    def take_late_output(self) -> bool:
        """Give the last cell what was printed after it was through; returns whether there was something."""
        late = self._output.take_text()
        cells = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        for name, text in late if cells else ():
            self._listener(name, text)
            if name != "log":
                cells[-1].outputs.append(v4.new_output("stream", name=name, text=cut(text, _LATE_CHARACTERS)))
        return bool(late)

    async def execute_hidden(self, code: str) -> dict[str, Any]:
        """Execute a line that leaves no trace; returns the content of the kernel's answer."""
        asked = {self.kc.execute(code, silent=True, store_history=False)}
        while True:
            message = await self.kc.shell_channel.get_msg(timeout=None)
            if _answers(message, asked):
                content: dict[str, Any] = message["content"]
                return content

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        if msg["msg_type"] == "stream":
            self._listener(msg["content"]["name"], msg["content"]["text"])
            if msg["content"]["name"] == "log":
                return None  # it is not an output of the cell: the log is a file of its own
            is_elsewhere = self.clear_before_next_output or self.output_hook_stack[msg["parent_header"]["msg_id"]]
            if self._printed is not None and not is_elsewhere:
                self._printed.add(msg["content"]["name"], msg["content"]["text"])
                return None
        if self._printed is not None:
            if msg["msg_type"] == "clear_output":
                self._printed.clear()
            elif msg["msg_type"] in _OUTPUTS:
                self._printed.flush()
        self._note_caught(msg)
        try:
            output = super().process_message(msg, cell, cell_index)
            if msg["msg_type"] == "comm_close":
                _clear_widget(cell, msg["content"]["comm_id"])
            if self._widgets.take(msg) and (text := self._widgets.text()) != self._widgets_text:
                self._widgets_text = text
                self._listener("widgets", text)
        except CellControlSignal:  # by which nbclient says that the cell is through
            raise
        except Exception as error:  # the experiment's code can send anything
            kind = error.__class__.__name__
            trouble = f"a message `{msg['msg_type']}` that makes no sense was ignored ({kind}: {error})"
            self.troubles[:] = [trouble]  # there may be thousands
            return None
        return output

    def _note_caught(self, msg: dict[str, Any]) -> None:
        """Have the first exception told that a widget has caught: in a notebook it is seen, if the widget is shown."""
        if msg["msg_type"] == "error" and self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            error = f"{msg['content'].get('ename')}: {msg['content'].get('evalue')}"
            if not self.troubles:
                self.troubles.append(f"an Output widget has caught an exception, and the step went on: {error}")

    def disconnect(self) -> None:
        """Close the sockets."""
        self.kc.stop_channels()
        self.kc.context.destroy(linger=0)


def _clear_widget(cell: NotebookNode, model: str) -> None:
    """Have a cell show nothing in the place of a widget that was closed."""
    for output in cell.outputs:
        view = output.get("data", {}).get(VIEW)
        if isinstance(view, dict) and view.get("model_id") == model:
            output["data"] = {}


def _answers(message: dict[str, Any], asked: set[str]) -> bool:
    return message["parent_header"].get("msg_id") in asked

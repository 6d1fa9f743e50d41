"""`bursar serve`: the gateway's workers, the ledger and, where needed, the simulated provider.

One worker runs in this process; several run as children beside each other, and this process supervises them. The ledger
lives in a process of its own so that its queries never delay a call. Children hold the read end of a pipe of ours: when
this process is killed, even with SIGKILL, the pipe ends and they stop.
"""

import logging
import signal
from contextlib import ExitStack, closing
from typing import Final

from bursar.clock import Clock, SystemClock
from bursar.gateway.state import Snapshot
from bursar.ledger.layout import Layout
from bursar.ledger.spool import Spool
from bursar.simulator.serve import SimulatorProcess
from bursar.wiring.admin import admin_token
from bursar.wiring.banner import banner
from bursar.wiring.board import Board
from bursar.wiring.build import build_snapshot, needs_simulator
from bursar.wiring.control import ControlLink
from bursar.wiring.counting import begin_counting
from bursar.wiring.keeper import LedgerKeeper
from bursar.wiring.listen import Port
from bursar.wiring.options import ServeOptions
from bursar.wiring.supervise import Supervisor
from bursar.wiring.worker import Orders, Parts, run_worker
from bursar.wiring.workers import WorkerProcess, start_worker

log: Final = logging.getLogger("bursar.serve")


def serve(options: ServeOptions) -> None:
    """Run until SIGINT or SIGTERM; raises ConfigError when the configuration or the address cannot be used, and
    ControlUnavailable when the control state cannot.
    """
    config = options.read()
    clock = SystemClock()
    with ExitStack() as parts:
        port = parts.enter_context(Port(config.server.host, config.server.port, workers=config.server.workers))
        simulator_url = None
        if needs_simulator(config):
            simulator_url = parts.enter_context(SimulatorProcess(options.simulator)).base_url
        control = parts.enter_context(closing(ControlLink(config, options.data_dir, clock)))
        snapshot = build_snapshot(
            config,
            data_dir=options.data_dir,
            environ=options.environ,
            clock=clock,
            simulator_url=simulator_url,
            control=control,
        )
        token = admin_token(options.data_dir)
        keeper = LedgerKeeper(options.data_dir, config.ledger)
        parts.callback(keeper.stop)
        begin_counting(snapshot.config, options.data_dir)
        told = banner(snapshot, port=port.number, path=options.config_path, token=token)
        if len(port.workers) == 1:
            _serve_alone(options, snapshot, control, port=port, simulator_url=simulator_url, clock=clock, told=told)
        else:
            del snapshot  # It has shown that the configuration works; each worker builds its own.
            _supervise(options, port=port, simulator_url=simulator_url, clock=clock, told=told)


def _serve_alone(
    options: ServeOptions,
    snapshot: Snapshot,
    control: ControlLink,
    *,
    port: Port,
    simulator_url: str | None,
    clock: Clock,
    told: str,
) -> None:
    spool_bytes = snapshot.config.ledger.spool_bytes
    with Spool(Layout(options.data_dir).spool, "w1", max_bytes=spool_bytes) as spool:
        run_worker(
            Parts(
                options=options,
                snapshot=snapshot,
                control=control,
                listener=port.of(1),
                spool=spool,
                clock=clock,
                began_us=clock.now_us(),
                simulator_url=simulator_url,
                stops=(signal.SIGINT, signal.SIGTERM),
                on_started=lambda: _say(options, told),
            )
        )


def _supervise(options: ServeOptions, *, port: Port, simulator_url: str | None, clock: Clock, told: str) -> None:
    began_us = clock.now_us()
    with closing(Board.create(len(port.workers))) as board:

        def start(number: int) -> WorkerProcess:
            return start_worker(
                _orders(options, number, port=port, simulator_url=simulator_url, began_us=began_us, board=board)
            )

        Supervisor(port, board, clock=clock, start=start, on_ready=lambda: _say(options, told)).run()


def _orders(
    options: ServeOptions, number: int, *, port: Port, simulator_url: str | None, began_us: int, board: Board
) -> Orders:
    return Orders(
        number=number,
        path=str(options.path) if options.path is not None else None,
        config_path=str(options.config_path) if options.config_path is not None else None,
        data_dir=str(options.data_dir),
        overrides=options.overrides,
        simulator_url=simulator_url,
        began_us=began_us,
        listener=port.of(number).fileno(),
        board=board.places,
    )


def _say(options: ServeOptions, told: str) -> None:
    if not options.is_quiet:
        log.info("%s", told)

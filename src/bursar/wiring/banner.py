"""What `bursar serve` says when it is up: where it listens, who answers, what to try."""

from pathlib import Path

from bursar.gateway.state import Snapshot
from bursar.wiring.admin import AdminTokenFile


def banner(snapshot: Snapshot, *, port: int, path: Path | None, token: AdminTokenFile) -> str:
    """A few lines for a person at a terminal."""
    host = snapshot.config.server.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    lines = [f"Bursar listens on {address}", f"  configuration  {path or 'built in (no bursar.toml here)'}"]
    simulated = [target.name for target in snapshot.routes.named.values() if target.is_simulated]
    real = [target.name for target in snapshot.routes.named.values() if not target.is_simulated]
    if real:
        lines.append(f"  providers      {', '.join(real)}")
    if simulated:
        lines.append(f"  simulated      {', '.join(simulated)} (no key set: answers are made up, nothing is charged)")
    if snapshot.keyring.is_open:
        lines.append("  keys           none: anybody on this machine may call; `bursar keys create` changes that")
    lines.append(f"  console        {address}/")
    if token.is_new:
        lines.append(f"  admin token    {token.token} (shown this once; it is kept in {token.path})")
    key = "" if snapshot.keyring.is_open else "-H 'authorization: Bearer YOUR_KEY' "
    lines.append(f"  try            curl {address}/v1/chat/completions {key}-H 'content-type: application/json' \\")
    lines.append("""                   -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}'""")
    return "\n".join(lines)

"""Lists all runs of a data directory: the peer of `runr store ls`, in plain Python."""

import json
import os
import sys


def read(path):
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def status(meta):
    flags = meta.get("flags") or {}
    archive = meta.get("archive") or {}
    if archive.get("merged_at"):
        return "merged"
    for flag, word in (
        ("abandoned", "abandoned"),
        ("setup_failed", "failed"),
        ("needs_attention", "needs attention"),
    ):
        if flags.get(flag):
            return word
    return "idle"


def row(run_id, repo_id, repo, meta, run_dir):
    broken = meta is None
    word = "broken" if broken else status(meta)
    if word == "idle" and os.path.exists(os.path.join(run_dir, "owner.lock")):
        word = "active"
    meta = meta or {}
    worktree = meta.get("worktree_path")
    return {
        "run_id": run_id,
        "repo_id": repo_id,
        "repo_key": repo.get("repo_key"),
        "origin_url": repo.get("origin_url"),
        "title": "<broken>" if broken else meta.get("title", ""),
        "name": meta.get("name"),
        "runner": meta.get("runner"),
        "created_at": meta.get("created_at"),
        "last_push_at": meta.get("last_push_at"),
        "tmux_active": False,
        "worktree_present": bool(worktree) and os.path.exists(worktree),
        "archived": bool((meta.get("archive") or {}).get("archived_at")),
        "pr_number": meta.get("pr_number"),
        "pr_url": meta.get("pr_url"),
        "derived_status": word,
        "summary": None,
        "broken": broken,
    }


def main(data_dir, form):
    rows = []
    for repo in os.scandir(os.path.join(data_dir, "repos")):
        record = read(os.path.join(repo.path, "repo.json")) or {}
        for run in os.scandir(os.path.join(repo.path, "runs")):
            if run.is_dir(follow_symlinks=False) and not run.name.startswith("."):
                meta = read(os.path.join(run.path, "meta.json"))
                rows.append(row(run.name, repo.name, record, meta, run.path))
    rows.sort(key=lambda row: row["run_id"])
    rows.sort(key=lambda row: row["created_at"] or "", reverse=True)
    if form == "json":
        json.dump({"schema_version": "1.0", "data": rows}, sys.stdout, indent=2)
        return
    columns = ("run_id", "derived_status", "created_at", "runner", "repo_key", "title")
    cells = [[str(row[column] or "-") for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


main(*sys.argv[1:])

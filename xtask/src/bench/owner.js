// The protocol of the programs that share the record, as they follow it in their event loops: a
// directory as lock, another try every 50 ms, the whole record written anew, nothing synced. One line on standard
// input is one round: the record begins anew with ten events and is refreshed so many times. The
// answer is the time of a refresh in nanoseconds.
"use strict";
const fs = require("node:fs/promises");
const path = require("node:path");
const readline = require("node:readline");

const [file, times] = [process.argv[1], Number(process.argv[2])];
const lock = `${file}.lock`;
const now = () => new Date().toISOString();
const text = (value) => `${JSON.stringify(value, null, 2)}\n`;

async function begin() {
  const event = { type: "refresh", runId: "run-1", at: now() };
  const active = { runId: "run-1", claimedAt: now(), updatedAt: now() };
  const target = { repo: "acme/shop", pr: 17 };
  const record = { schemaVersion: 2, target, activeRun: active, previousRun: null };
  await fs.writeFile(file, text({ ...record, history: Array(10).fill(event), exitSignals: [] }));
}

async function locked(change) {
  await fs.mkdir(path.dirname(file), { recursive: true });
  const start = Date.now();
  for (;;) {
    try {
      await fs.mkdir(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST" || Date.now() - start > 5000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await fs.writeFile(path.join(lock, "owner.json"), text({ pid: process.pid, acquiredAt: now() }));
  try {
    await change();
  } finally {
    await fs.rm(lock, { recursive: true, force: true });
  }
}

async function refresh() {
  const record = JSON.parse(await fs.readFile(file, "utf8"));
  const at = now();
  record.activeRun.updatedAt = at;
  record.history = [...record.history, { type: "refresh", runId: "run-1", at }];
  const temporary = `${file}.tmp-${process.pid}-${Date.now()}`;
  await fs.writeFile(temporary, text(record));
  await fs.rename(temporary, file);
}

async function round() {
  await begin();
  const start = process.hrtime.bigint();
  for (let nth = 0; nth < times; nth += 1) await locked(refresh);
  return Number(process.hrtime.bigint() - start) / times;
}

(async () => {
  // The first rounds are interpreted, the others compiled.
  for (let nth = 0; nth < 20; nth += 1) await round();
  console.log("ready");
  for await (const _ of readline.createInterface({ input: process.stdin })) console.log(await round());
})();

// A program that shares the record and follows the old protocol: a directory as lock, another try
// every 50 ms, the whole record written anew, unlock by removing whatever is there.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const [file, run, times] = [process.argv[1], process.argv[2], Number(process.argv[3])];
const lock = `${file}.lock`;
const now = () => new Date().toISOString();
const text = (value) => `${JSON.stringify(value, null, 2)}\n`;

async function locked(change) {
  const start = Date.now();
  for (;;) {
    try {
      fs.mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST" || Date.now() - start > 60000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  fs.writeFileSync(path.join(lock, "owner.json"), text({ pid: process.pid, acquiredAt: now() }));
  try {
    change();
  } finally {
    fs.rmSync(lock, { recursive: true, force: true });
  }
}

function refresh() {
  const record = JSON.parse(fs.readFileSync(file, "utf8"));
  const at = now();
  record.activeRun.updatedAt = at;
  record.history.push({ type: "refresh", runId: run, at });
  const temporary = `${file}.tmp-${process.pid}-${Date.now()}`;
  fs.writeFileSync(temporary, text(record));
  fs.renameSync(temporary, file);
}

(async () => {
  for (let nth = 0; nth < times; nth += 1) await locked(refresh);
})();

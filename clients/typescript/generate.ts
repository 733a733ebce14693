// Generates a document, with a client whose types come from the OpenAPI document.
//
//     npx openapi-typescript http://localhost:8080/api/v1/openapi.json --output api.ts
//     npx tsc && node generate.js http://localhost:8080 TOKEN org-id/documents/protocol.pdf

import { writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type TaskStatus = components["schemas"]["TaskStatus"];

const [baseUrl = "", token = "", source = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

/** Submits a request. The key makes it safe to send it again. */
async function submit(): Promise<string> {
  const { data, error } = await client.POST("/api/v1/documents/generate", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { document_type: "CSR", file_paths: [source] },
  });
  if (!data) throw new Error(`${error.code}: ${error.detail}`);
  return data.task_id;
}

/** Waits until a task has ended. Each answer comes when something has changed. */
async function ended(task_id: string): Promise<TaskStatus> {
  let etag: string | undefined;
  for (;;) {
    const header = { Prefer: "wait=20", ...(etag && { "If-None-Match": etag }) };
    const { data, error, response } = await client.GET("/api/v1/documents/status/{task_id}", {
      params: { path: { task_id }, header },
    });
    if (error) throw new Error(`${error.code}: ${error.detail}`);
    etag = response.headers.get("ETag") ?? undefined;
    if (data && data.status !== "Generating") return data;
  }
}

const status = await ended(await submit());
if (status.status === "Failed") throw new Error(`the generation failed: ${status.error}`);
const path = { document_id: status.document_id };

const found = await client.GET("/api/v1/documents/{document_id}", { params: { path } });
if (!found.data) throw new Error(`there is no document: ${found.error?.detail}`);
const { document } = found.data;

const file = await client.GET("/api/v1/documents/{document_id}/file", {
  params: { path },
  parseAs: "arrayBuffer",
});
if (!file.data) throw new Error(`there is no file: ${file.error?.detail}`);
await writeFile(`${document.document_name}.docx`, Buffer.from(file.data));
console.log(JSON.stringify({
  name: document.document_name,
  sections: document.sections.map((section) => section.title),
  size: document.metadata.size_bytes,
}));

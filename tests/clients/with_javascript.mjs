// Drives Mortar with the JavaScript SDK. The address is in MORTAR, the credentials where the SDK looks for them.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { createRequire } from "node:module";

const installed = createRequire(process.env.MODULES + "/");
const {
  S3Client, PutObjectCommand, GetObjectCommand, HeadObjectCommand, CopyObjectCommand, DeleteObjectsCommand,
  ListObjectsV2Command, ListBucketsCommand, DeleteObjectCommand,
} = installed("@aws-sdk/client-s3");
const { Upload } = installed("@aws-sdk/lib-storage");
const { getSignedUrl } = installed("@aws-sdk/s3-request-presigner");

const Bucket = "media";
const s3 = new S3Client({ endpoint: process.env.MORTAR, region: "mort", forcePathStyle: true, maxAttempts: 1 });
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const get = async (Key, more = {}) => bytes(await s3.send(new GetObjectCommand({ Bucket, Key, ...more })));

assert.deepEqual((await s3.send(new ListBucketsCommand({}))).Buckets.map((bucket) => bucket.Name), [Bucket]);

// Small, empty, and a stream whose checksum follows it.
const put = await s3.send(new PutObjectCommand({ Bucket, Key: "js/small", Body: "small object", Metadata: { who: "me" } }));
assert.equal(put.ETag, `"${createHash("md5").update("small object").digest("hex")}"`);
await s3.send(new PutObjectCommand({ Bucket, Key: "js/empty", Body: "" }));
assert.equal((await get("js/empty")).length, 0);
assert.equal((await get("js/small")).toString(), "small object");
assert.equal((await get("js/small", { Range: "bytes=6-" })).toString(), "object");
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "js/small" }));
assert.equal(head.ContentLength, 12);
assert.deepEqual(head.Metadata, { who: "me" });
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
  const Body = Readable.from([Buffer.alloc(100_000, 1), Buffer.alloc(100_000, 2)]);
  await s3.send(new PutObjectCommand({ Bucket, Key: `js/stream ${ChecksumAlgorithm}`, Body, ChecksumAlgorithm, ContentLength: 200_000 }));
  assert.equal((await get(`js/stream ${ChecksumAlgorithm}`)).length, 200_000);
}
const missing = await s3.send(new GetObjectCommand({ Bucket, Key: "js/nowhere" })).catch((error) => error);
assert.equal(missing.name, "NoSuchKey");

// 100 MB in parts.
const large = randomBytes(100 * 1024 * 1024);
await new Upload({ client: s3, params: { Bucket, Key: "js/large", Body: large }, partSize: 8 << 20, queueSize: 4 }).done();
assert.ok((await get("js/large")).equals(large));
assert.ok((await get("js/large", { Range: "bytes=70000000-70000999" })).equals(large.subarray(70_000_000, 70_001_000)));

// Copies and listings.
await s3.send(new CopyObjectCommand({ Bucket, Key: "js/copy", CopySource: `${Bucket}/js/small` }));
assert.equal((await get("js/copy")).toString(), "small object");
const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js/", MaxKeys: 3 }));
assert.deepEqual(listed.Contents.map((entry) => entry.Key), ["js/copy", "js/empty", "js/large"]);
assert.equal(listed.IsTruncated, true);
const rest = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js/", ContinuationToken: listed.NextContinuationToken }));
assert.equal(rest.KeyCount, 5);
const folders = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/", Prefix: "j" }));
assert.deepEqual(folders.CommonPrefixes, [{ Prefix: "js/" }]);

// Presigned.
const Key = "js/presigned";
const putUrl = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key }), { expiresIn: 60 });
assert.equal((await fetch(putUrl, { method: "PUT", body: "presigned" })).status, 200);
const getUrl = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
assert.equal(await (await fetch(getUrl)).text(), "presigned");

await s3.send(new DeleteObjectCommand({ Bucket, Key }));
const all = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js/" }));
const Objects = all.Contents.map((entry) => ({ Key: entry.Key }));
const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
assert.equal(deleted.Deleted.length, Objects.length);
assert.equal((await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js/" }))).KeyCount, 0);

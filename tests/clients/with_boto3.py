"""Drives Mortar with boto3. The address is in MORTAR, the credentials where boto3 looks for them."""

import hashlib
import io
import os
import random
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

BUCKET = "media"
ENDPOINT = os.environ["MORTAR"]


def client(signature_version="s3v4"):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, signature_version=signature_version)
    return boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=config)


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def body_of(s3, key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def objects(s3):
    small = b"small object"
    put = s3.put_object(
        Bucket=BUCKET, Key="boto/small.txt", Body=small, ContentType="text/x-small",
        CacheControl="no-cache", ContentDisposition="inline", Metadata={"who": "me"},
    )
    assert put["ETag"] == f'"{hashlib.md5(small).hexdigest()}"', put
    head = s3.head_object(Bucket=BUCKET, Key="boto/small.txt")
    assert head["ContentLength"] == len(small) and head["ContentType"] == "text/x-small", head
    assert head["Metadata"] == {"who": "me"} and head["CacheControl"] == "no-cache", head
    assert head["ETag"] == put["ETag"] and head["ContentDisposition"] == "inline", head
    assert body_of(s3, "boto/small.txt") == small
    assert body_of(s3, "boto/small.txt", Range="bytes=2-5") == small[2:6]
    assert body_of(s3, "boto/small.txt", Range="bytes=-3") == small[-3:]
    assert code_of(s3.get_object, Bucket=BUCKET, Key="boto/small.txt", Range="bytes=99-") == "InvalidRange"
    assert code_of(s3.get_object, Bucket=BUCKET, Key="boto/small.txt", IfNoneMatch=put["ETag"]) == "304"
    assert code_of(s3.get_object, Bucket=BUCKET, Key="boto/small.txt", IfMatch='"other"') == "PreconditionFailed"
    told = s3.get_object(
        Bucket=BUCKET, Key="boto/small.txt", ResponseContentType="text/chosen",
        ResponseContentDisposition="attachment", ResponseCacheControl="no-store",
    )
    assert told["ContentType"] == "text/chosen" and told["ContentDisposition"] == "attachment", told
    assert told["CacheControl"] == "no-store", told
    assert code_of(s3.get_object, Bucket=BUCKET, Key="boto/nowhere") == "NoSuchKey"
    assert code_of(s3.head_object, Bucket=BUCKET, Key="boto/nowhere") == "404"

    s3.put_object(Bucket=BUCKET, Key="boto/empty", Body=b"")
    assert body_of(s3, "boto/empty") == b""
    for odd in ["boto/ü ä+%?&=#~.txt", "boto/日本語", "boto/" + "x" * 200]:
        s3.put_object(Bucket=BUCKET, Key=odd, Body=odd.encode())
        assert body_of(s3, odd) == odd.encode(), odd


def conditions_and_checksums(s3):
    s3.put_object(Bucket=BUCKET, Key="boto/once", Body=b"1", IfNoneMatch="*")
    again = dict(Bucket=BUCKET, Key="boto/once", Body=b"2")
    assert code_of(s3.put_object, IfNoneMatch="*", **again) == "PreconditionFailed"
    assert code_of(s3.put_object, IfMatch='"other"', **again) == "PreconditionFailed"
    tag = s3.head_object(Bucket=BUCKET, Key="boto/once")["ETag"]
    s3.put_object(IfMatch=tag, **again)
    assert body_of(s3, "boto/once") == b"2"

    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        answer = s3.put_object(Bucket=BUCKET, Key="boto/sum", Body=b"hello", ChecksumAlgorithm=algorithm)
        assert answer[f"Checksum{algorithm}"], answer
    wrong = dict(Bucket=BUCKET, Key="boto/wrong", Body=b"hello")
    assert code_of(s3.put_object, ChecksumCRC32="AAAAAA==", **wrong) == "BadDigest"
    assert code_of(s3.put_object, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==", **wrong) == "BadDigest"
    assert code_of(s3.head_object, Bucket=BUCKET, Key="boto/wrong") == "404"


def large(s3):
    """100 MB in parts, sent as a stream whose checksum follows it."""
    content = random.Random(1).randbytes(100 << 20)
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(content), BUCKET, "boto/large", Config=config, ExtraArgs={"Metadata": {"size": "large"}})
    head = s3.head_object(Bucket=BUCKET, Key="boto/large")
    assert head["ContentLength"] == len(content) and head["Metadata"] == {"size": "large"}, head
    assert head["ETag"].endswith('-13"'), head
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, "boto/large", back, Config=config)
    assert back.getvalue() == content
    assert body_of(s3, "boto/large", Range="bytes=50000000-50000009") == content[50_000_000:50_000_010]


def parts(s3):
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="boto/parts", ContentType="text/parts")["UploadId"]
    which = dict(Bucket=BUCKET, Key="boto/parts", UploadId=upload)
    content = b"p" * (5 << 20)
    first = s3.upload_part(PartNumber=1, Body=content, **which)
    second = s3.upload_part_copy(PartNumber=2, CopySource={"Bucket": BUCKET, "Key": "boto/small.txt"},
                                 CopySourceRange="bytes=0-4", **which)
    listed = s3.list_parts(**which)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, len(content)), (2, 5)], listed
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [(found["Key"], found["UploadId"]) for found in uploads] == [("boto/parts", upload)], uploads
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]}
    assert code_of(s3.complete_multipart_upload, MultipartUpload=wrong, **which) == "InvalidPart"
    named = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["CopyPartResult"]["ETag"]}]
    swapped = {"Parts": named[::-1]}
    assert code_of(s3.complete_multipart_upload, MultipartUpload=swapped, **which) == "InvalidPartOrder"
    s3.complete_multipart_upload(MultipartUpload={"Parts": named}, **which)
    whole = s3.get_object(Bucket=BUCKET, Key="boto/parts")
    assert whole["Body"].read() == content + b"small" and whole["ContentType"] == "text/parts"
    assert code_of(s3.list_parts, **which) == "NoSuchUpload"

    aborted = s3.create_multipart_upload(Bucket=BUCKET, Key="boto/aborted")["UploadId"]
    which = dict(Bucket=BUCKET, Key="boto/aborted", UploadId=aborted)
    s3.upload_part(PartNumber=1, Body=b"x", **which)
    s3.abort_multipart_upload(**which)
    assert code_of(s3.upload_part, PartNumber=1, Body=b"x", **which) == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert code_of(s3.head_object, Bucket=BUCKET, Key="boto/aborted") == "404"


def listings(s3):
    keys = sorted(f"boto/list/{folder}/{number}" for folder in "abc" for number in range(5))
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    for operation in ["list_objects", "list_objects_v2"]:
        pages = list(s3.get_paginator(operation).paginate(
            Bucket=BUCKET, Prefix="boto/list/", PaginationConfig={"PageSize": 4}))
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        assert found == keys and len(pages) == 4, (operation, found)
        pages = s3.get_paginator(operation).paginate(
            Bucket=BUCKET, Prefix="boto/list/", Delimiter="/", PaginationConfig={"PageSize": 2})
        folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        assert folders == ["boto/list/a/", "boto/list/b/", "boto/list/c/"], (operation, folders)
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="boto/list/", StartAfter="boto/list/c/1")
    assert [entry["Key"] for entry in after["Contents"]] == keys[-3:], after
    entry = after["Contents"][0]
    assert entry["Size"] == 1 and entry["ETag"] == f'"{hashlib.md5(b"1").hexdigest()}"', entry
    everything = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert not [entry for entry in everything if entry["Key"].startswith(".")], everything


def copies(s3):
    s3.copy_object(Bucket=BUCKET, Key="boto/copy ü", CopySource={"Bucket": BUCKET, "Key": "boto/small.txt"})
    assert s3.head_object(Bucket=BUCKET, Key="boto/copy ü")["Metadata"] == {"who": "me"}
    s3.copy_object(Bucket=BUCKET, Key="boto/copy ü", CopySource={"Bucket": BUCKET, "Key": "boto/copy ü"},
                   MetadataDirective="REPLACE", Metadata={"who": "you"}, ContentType="text/y")
    head = s3.head_object(Bucket=BUCKET, Key="boto/copy ü")
    assert head["Metadata"] == {"who": "you"} and head["ContentType"] == "text/y", head
    nowhere = {"Bucket": BUCKET, "Key": "boto/nowhere"}
    assert code_of(s3.copy_object, Bucket=BUCKET, Key="boto/x", CopySource=nowhere) == "NoSuchKey"


def presigned(s3):
    what = {"Bucket": BUCKET, "Key": "boto/presigned"}
    put = urllib.request.Request(s3.generate_presigned_url("put_object", what), data=b"presigned", method="PUT")
    assert urllib.request.urlopen(put).status == 200
    url = s3.generate_presigned_url("get_object", {**what, "ResponseContentType": "text/told"})
    answer = urllib.request.urlopen(url)
    assert answer.read() == b"presigned" and answer.headers["Content-Type"] == "text/told"
    delete = urllib.request.Request(s3.generate_presigned_url("delete_object", what), method="DELETE")
    assert urllib.request.urlopen(delete).status == 204


def transforms(s3):
    """A key can be the result of a transform, and no object can take its name."""
    assert body_of(s3, "small/photo.jpg").startswith(b"\xff\xd8")
    refused = code_of(s3.put_object, Bucket=BUCKET, Key="small/photo.jpg", Body=b"x")
    assert refused == "InvalidRequest", refused


def buckets(s3):
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
    assert s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert code_of(s3.create_bucket, Bucket=BUCKET) in (None, "BucketAlreadyOwnedByYou")
    assert code_of(s3.create_bucket, Bucket="another") == "AccessDenied"


def removals(s3):
    keys = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="boto/")
            for entry in page["Contents"]]
    s3.delete_object(Bucket=BUCKET, Key=keys[0])
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(answer["Deleted"]) == len(keys) and not answer.get("Errors"), answer
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="boto/")["KeyCount"] == 0


def main():
    s3 = client()
    for step in [buckets, objects, conditions_and_checksums, parts, listings, copies, presigned, transforms, large]:
        step(s3)
        print(step.__name__, "ok", flush=True)
    # Old clients sign with version 2.
    old = client("s3")
    assert code_of(old.put_object, Bucket=BUCKET, Key="boto/old", Body=b"old") is None
    assert body_of(old, "boto/old") == b"old"
    url = old.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "boto/old"})
    assert "AWSAccessKeyId" in url and urllib.request.urlopen(url).read() == b"old"
    removals(s3)


main()

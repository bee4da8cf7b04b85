"""What the deployment promises, read from the template as CloudFormation would carry it out."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from cfnlint.api import ManualArgs, lint
from cloudformation import Resolved, translate
from project import ROOT

LAKE = {"LakeBucket": "aws-security-data-lake-us-east-1-abc"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/mine"
TOPIC = "arn:aws:sns:us-east-1:123456789012:soc.fifo"

# Each choice that changes what is deployed, alone and together.
CHOICES = {
    "as it comes": {},
    "only Kinesis": {"Inputs": "kinesis"},
    "only S3": {"Inputs": "s3"},
    "a stream that exists": {"StreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/logs", "StreamKmsKeyArn": KEY},
    "a bucket that exists": {"StagingBucketName": "logs", "StagingPrefix": "raw/", "StagingKmsKeyArn": KEY},
    "shards": {"ShardCount": 2},
    "a key": {"KmsKeyArn": KEY, "LakeKmsKeyArn": KEY},
    "configuration of one's own": {
        "SourcesConfiguration": "s3://settings/sources_config.json",
        "MappingsLocation": "s3://settings/mappings/",
        "QuarantineLocation": "s3://evidence/sluice",
    },
    "no tracing": {"Tracing": "PassThrough"},
    "detections": {"Detections": "on"},
    "detections alone with one way in": {"Detections": "on", "Inputs": "s3", "Tracing": "PassThrough"},
    "detections by a key": {"Detections": "on", "KmsKeyArn": KEY, "LakeKmsKeyArn": KEY, "FindingsTopicType": "fifo"},
    "detections of one's own": {
        "Detections": "on",
        "DetectionsDatabase": "logs",
        "RulesLocation": "s3://settings/rules/",
        "FindingsTopicArn": TOPIC,
        "LakeFormation": "false",
        "StagingBucketName": "logs",
        "StagingKmsKeyArn": KEY,
        "StagingPrefix": "raw/",
        "FindingsInLake": "on",
    },
}


@pytest.fixture(scope="module")
def translated() -> dict:
    return translate(ROOT / "template.yaml")


@pytest.fixture(params=CHOICES.values(), ids=CHOICES.keys())
def deployed(request, translated) -> Resolved:
    return Resolved(translated, **LAKE, **request.param)


@pytest.fixture
def default(translated) -> Resolved:
    return Resolved(translated, **LAKE)


def test_sam_validates_and_lints_the_template():
    sam = subprocess.run(
        ["sam", "validate", "--lint", "--region", "us-east-1"],
        cwd=ROOT,
        env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
    )
    assert sam.returncode == 0, sam.stdout + sam.stderr


def test_what_sam_makes_of_the_template_lints(translated):
    """`sam validate --lint` looks at the functions before the transform and misses what is wrong inside them."""
    matches = lint(json.dumps(translated), config=ManualArgs(regions=["us-east-1"]))
    assert [f"{m.rule.id} {m.path}: {m.message}" for m in matches] == []


def test_every_choice_of_inputs_deploys_what_it_names(translated):
    def functions(inputs: str) -> set[str]:
        return set(Resolved(translated, **LAKE, Inputs=inputs).of_type("AWS::Lambda::Function"))

    assert functions("kinesis-and-s3") == {"TransformKinesis", "TransformS3"}
    assert functions("kinesis") == {"TransformKinesis"}
    assert functions("s3") == {"TransformS3"}
    assert set(Resolved(translated, **LAKE, Detections="on").of_type("AWS::Lambda::Function")) == {
        "TransformKinesis",
        "TransformS3",
        "Detector",
    }


def test_no_reference_leads_to_a_resource_that_is_not_deployed(deployed):
    text = repr((deployed.resources, deployed.outputs))
    for reference in set(re.findall(r"<(\w+)(?:\.[\w.]+)?>", text)):
        assert reference in deployed.resources, reference


def test_no_permission_has_a_wildcard_action_or_resource(deployed):
    allowed = deployed.allowed()
    assert allowed
    for holder, statement in allowed:
        for action in _list(statement["Action"]):
            assert "*" not in action, (holder, action)
        if statement["Action"] == "lakeformation:GetDataAccess":
            # IAM knows no resource for it. What it reaches is what Lake Formation grants to the role, through Athena only.
            assert statement["Condition"] == {"ForAnyValue:StringEquals": {"aws:CalledVia": ["athena.amazonaws.com"]}}
            continue
        for resource in _list(statement.get("Resource", [])):
            # A wildcard may stand for the rest of an object's key, in a bucket that is named.
            assert re.fullmatch(r"(arn:aws:[^*]+|<[\w.]+>)(/[^*]*\*)?", resource), (holder, resource)


def test_the_only_managed_policy_is_x_rays_and_only_while_tracing(translated):
    def attached(tracing: str) -> list[list[str]]:
        roles = Resolved(translated, **LAKE, Detections="on", Tracing=tracing).of_type("AWS::IAM::Role")
        del roles["DetectionsTimerRole"]  # no function's
        return [role.get("ManagedPolicyArns", []) for role in roles.values()]

    assert attached("Active") == [["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"]] * 3
    assert attached("PassThrough") == [[]] * 3


def test_a_function_may_write_to_the_lake_and_the_quarantine_and_nowhere_else(translated):
    def writable(**choice) -> set[str]:
        return {
            resource
            for holder, statement in Resolved(translated, **LAKE, **choice).allowed()
            if "s3:PutObject" in _list(statement["Action"])
            for resource in _list(statement["Resource"])
        }

    lake = "arn:aws:s3:::aws-security-data-lake-us-east-1-abc/ext/*"
    aside = "<QuarantineBucket.Arn>/aws/lambda/*"
    assert writable() == {lake, aside, "<QuarantineBucket.Arn>/quarantine/*"}
    assert writable(QuarantineLocation="s3://evidence/sluice") == {
        lake,
        aside,
        "arn:aws:s3:::evidence/sluice/quarantine/*",
    }


def test_configuration_of_ones_own_can_be_read(translated):
    resolved = Resolved(translated, **LAKE, **CHOICES["configuration of one's own"])
    readable = {
        (action, resource)
        for holder, statement in resolved.allowed()
        if holder == "TransformPolicy"
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }
    assert ("s3:GetObject", "arn:aws:s3:::settings/sources_config.json") in readable
    assert ("s3:GetObject", "arn:aws:s3:::settings/mappings/*") in readable
    assert ("s3:ListBucket", "arn:aws:s3:::settings") in readable


def test_everything_that_holds_records_is_encrypted(deployed):
    for name, stream in deployed.of_type("AWS::Kinesis::Stream").items():
        assert stream["StreamEncryption"]["EncryptionType"] == "KMS", name
        assert stream["StreamEncryption"]["KeyId"], name
    for name, queue in deployed.of_type("AWS::SQS::Queue").items():
        assert queue.get("SqsManagedSseEnabled") is True or queue.get("KmsMasterKeyId"), name
    for name, topic in deployed.of_type("AWS::SNS::Topic").items():
        assert topic["KmsMasterKeyId"], name
    for name, workgroup in deployed.of_type("AWS::Athena::WorkGroup").items():
        results = workgroup["WorkGroupConfiguration"]["ResultConfiguration"]
        assert results["EncryptionConfiguration"]["EncryptionOption"] in ("SSE_S3", "SSE_KMS"), name
    for name, bucket in deployed.of_type("AWS::S3::Bucket").items():
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms"), name


def test_a_key_of_ones_own_encrypts_everything(translated):
    resolved = Resolved(translated, **LAKE, KmsKeyArn=KEY, Detections="on")
    assert {t["KmsMasterKeyId"] for t in resolved.of_type("AWS::SNS::Topic").values()} == {KEY}
    [workgroup] = resolved.of_type("AWS::Athena::WorkGroup").values()
    encryption = workgroup["WorkGroupConfiguration"]["ResultConfiguration"]["EncryptionConfiguration"]
    assert encryption == {"EncryptionOption": "SSE_KMS", "KmsKey": KEY}
    assert {s["StreamEncryption"]["KeyId"] for s in resolved.of_type("AWS::Kinesis::Stream").values()} == {KEY}
    assert {q["KmsMasterKeyId"] for q in resolved.of_type("AWS::SQS::Queue").values()} == {KEY}
    for bucket in resolved.of_type("AWS::S3::Bucket").values():
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}


def test_buckets_are_private_speak_tls_only_and_outlive_the_stack(deployed):
    policies = {
        p["Bucket"]: p["PolicyDocument"]["Statement"] for p in deployed.of_type("AWS::S3::BucketPolicy").values()
    }
    for name, bucket in deployed.of_type("AWS::S3::Bucket").items():
        blocked = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(blocked, True), name
        assert any(
            s["Effect"] == "Deny" and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for s in policies[f"<{name}>"]
        ), name
        assert deployed.resources[name]["DeletionPolicy"] == "Retain", name


def test_a_failed_kinesis_batch_is_cut_down_retried_and_kept(translated):
    [mapping] = Resolved(translated, **LAKE, Inputs="kinesis").of_type("AWS::Lambda::EventSourceMapping").values()
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    # Of the destinations, only S3 is given the records themselves.
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == "<QuarantineBucket.Arn>"
    assert int(mapping["MaximumRetryAttempts"]) > 0
    assert int(mapping["MaximumRecordAgeInSeconds"]) > 0


def test_a_batch_is_given_up_long_before_its_records_leave_the_stream(default):
    [stream] = default.of_type("AWS::Kinesis::Stream").values()
    [mapping] = [m for m in default.of_type("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in m]
    assert int(stream["RetentionPeriodHours"]) * 3600 >= 2 * int(mapping["MaximumRecordAgeInSeconds"])


def test_a_batch_put_aside_raises_an_alarm(default):
    assert default.of_type("AWS::S3::Bucket")["QuarantineBucket"]["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    rule = default.of_type("AWS::Events::Rule")["FailedBatchesRule"]
    assert rule["EventPattern"]["detail"] == {
        "bucket": {"name": ["<QuarantineBucket>"]},
        # Where Lambda puts what it gives up.
        "object": {"key": [{"prefix": "aws/lambda/"}]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == ["<FailedBatchesQueue.Arn>"]
    assert _alarm(default, "<FailedBatchesQueue.QueueName>")["Threshold"] == 0


def test_a_message_that_keeps_failing_goes_to_a_dead_letter_queue_with_an_alarm(default):
    queue = default.of_type("AWS::SQS::Queue")["FilesQueue"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "<FilesDeadLetterQueue.Arn>"
    assert int(queue["RedrivePolicy"]["maxReceiveCount"]) > 1
    assert _alarm(default, "<FilesDeadLetterQueue.QueueName>")["Threshold"] == 0
    [mapping] = [m for m in default.of_type("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" not in m]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_file_outlives_every_message_that_points_to_it(default):
    queues = default.of_type("AWS::SQS::Queue")
    seconds = queues["FilesQueue"]["MessageRetentionPeriod"]
    # A message keeps its age when it moves to the dead-letter queue.
    assert queues["FilesDeadLetterQueue"]["MessageRetentionPeriod"] >= seconds
    [rule] = default.of_type("AWS::S3::Bucket")["StagingBucket"]["LifecycleConfiguration"]["Rules"]
    assert int(rule["ExpirationInDays"]) * 86400 > seconds


def test_the_visibility_timeout_is_six_timeouts_and_the_longest_window(translated):
    declared = translated["Parameters"]
    for timeout in declared["TransformS3Timeout"]["AllowedValues"]:
        queue = Resolved(translated, **LAKE, TransformS3Timeout=timeout).of_type("AWS::SQS::Queue")["FilesQueue"]
        assert queue["VisibilityTimeout"] == 6 * int(timeout) + declared["S3BatchingWindow"]["MaxValue"]


def test_only_the_staging_bucket_may_tell_the_queue(translated):
    def teller(**choice) -> tuple[str, str]:
        resolved = Resolved(translated, **LAKE, **choice)
        statements = resolved.of_type("AWS::SQS::QueuePolicy")["FilesQueuePolicy"]["PolicyDocument"]["Statement"]
        [allowed] = [s for s in statements if s["Effect"] == "Allow"]
        return allowed["Principal"]["Service"], allowed["Condition"]["ArnEquals"]["aws:SourceArn"]

    bucket = Resolved(translated, **LAKE).of_type("AWS::S3::Bucket")["StagingBucket"]["BucketName"]
    assert teller() == ("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    assert teller(StagingBucketName="logs") == ("events.amazonaws.com", "<StagingBucketRule.Arn>")


def test_a_prefix_narrows_what_is_announced_and_what_may_be_read(translated):
    made = Resolved(translated, **LAKE, StagingPrefix="raw/")
    [told] = made.of_type("AWS::S3::Bucket")["StagingBucket"]["NotificationConfiguration"]["QueueConfigurations"]
    assert told["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "raw/"}]
    assert "arn:aws:s3:::<StagingBucket>/raw/*" in _readable(made)

    existing = Resolved(translated, **LAKE, StagingPrefix="raw/", StagingBucketName="logs")
    rule = existing.of_type("AWS::Events::Rule")["StagingBucketRule"]
    assert rule["EventPattern"]["detail"] == {"bucket": {"name": ["logs"]}, "object": {"key": [{"prefix": "raw/"}]}}
    assert "arn:aws:s3:::logs/raw/*" in _readable(existing)


def test_the_functions_are_told_where_everything_is(translated):
    def environment(**choice) -> dict[str, str]:
        functions = Resolved(translated, **LAKE, **choice).of_type("AWS::Lambda::Function")
        assert set(functions) == {"TransformKinesis", "TransformS3"}
        variables = [f["Environment"]["Variables"] for f in functions.values()]
        assert [v.pop("POWERTOOLS_SERVICE_NAME") for v in variables] == ["transform-kinesis", "transform-s3"]
        assert variables[0] == variables[1]
        return variables[0]

    assert environment() == {
        "SLUICE_LAKE": "s3://aws-security-data-lake-us-east-1-abc",
        "SLUICE_REGION": "us-east-1",
        "SLUICE_ACCOUNT": "123456789012",
        "SLUICE_QUARANTINE": "s3://<QuarantineBucket>",
        "SLUICE_PARTITIONS": "1000",
        "SLUICE_EARLIEST_DAY": "1970-01-01",
        "SLUICE_DAYS_AHEAD": "2",
        "POWERTOOLS_METRICS_NAMESPACE": "Sluice",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "MIMALLOC_PURGE_DELAY": "-1",
    }
    bounds = environment(MaximumPartitions=5000, EarliestDay="1995-07-01", DaysAhead=0)
    assert bounds["SLUICE_PARTITIONS"] == "5000"
    assert (bounds["SLUICE_EARLIEST_DAY"], bounds["SLUICE_DAYS_AHEAD"]) == ("1995-07-01", "0")
    own = environment(LakeRegion="eu-west-1", LakeAccount="external_acme", **CHOICES["configuration of one's own"])
    assert own["SLUICE_REGION"] == "eu-west-1"
    assert own["SLUICE_ACCOUNT"] == "external_acme"
    assert own["SLUICE_QUARANTINE"] == "s3://evidence/sluice"
    assert own["SLUICE_SOURCES"] == "s3://settings/sources_config.json"
    assert own["SLUICE_MAPPINGS"] == "s3://settings/mappings/"


def test_a_function_writes_its_log_where_the_log_is_kept(deployed):
    groups = deployed.of_type("AWS::Logs::LogGroup")
    for name, function in deployed.of_type("AWS::Lambda::Function").items():
        assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": f"<{name}Logs>"}
        assert groups[f"{name}Logs"]["RetentionInDays"]


def test_alarms_count_quarantine_under_the_names_that_the_functions_log_it(translated):
    resolved = Resolved(translated, **LAKE, MetricsNamespace="Logs")
    functions = resolved.of_type("AWS::Lambda::Function").values()
    told = {(f["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"], "Logs") for f in functions}
    alarms = [a for a in resolved.of_type("AWS::CloudWatch::Alarm").values() if a["MetricName"] == "RecordsQuarantined"]
    assert {(alarm["Dimensions"][0]["Value"], alarm["Namespace"]) for alarm in alarms} == told


def test_alarms_on_detections_watch_figures_under_the_functions_name(translated):
    resolved = Resolved(translated, **LAKE, Detections="on", MetricsNamespace="Logs")
    detector = resolved.of_type("AWS::Lambda::Function")["Detector"]
    service = detector["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    alarms = resolved.of_type("AWS::CloudWatch::Alarm")
    for name, metric in (("DetectionsFail", "DetectionFailures"), ("DetectionsFallBehind", "DetectionLag")):
        assert alarms[name]["MetricName"] == metric
        assert alarms[name]["Namespace"] == "Logs"
        assert alarms[name]["Dimensions"] == [{"Name": "service", "Value": service}]
    # A schedule that has stopped leaves no figures.
    assert alarms["DetectionsFallBehind"]["TreatMissingData"] == "breaching"


def test_no_query_of_a_detection_goes_without_a_limit(translated):
    [workgroup] = Resolved(translated, **LAKE, Detections="on", DetectionsCutoff=20_000_000).of_type(
        "AWS::Athena::WorkGroup"
    ).values()
    configuration = workgroup["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == "20000000"
    assert configuration["ResultConfiguration"]["OutputLocation"] == "s3://<ResultsBucket>/detections/"


def test_the_function_may_query_the_lakes_database_and_no_other(translated):
    def readable(**choice) -> set[str]:
        return {
            resource
            for holder, statement in Resolved(translated, **LAKE, Detections="on", **choice).allowed()
            if holder == "DetectorRole" and "glue:GetTable" in _list(statement["Action"])
            for resource in _list(statement["Resource"])
        }

    glue = "arn:aws:glue:us-east-1:123456789012"
    always = {f"{glue}:catalog", f"{glue}:database/default"}
    native = "amazon_security_lake_glue_db_us_east_1"
    assert readable() == always | {f"{glue}:database/{native}", f"{glue}:table/{native}/*"}
    assert readable(DetectionsDatabase="logs") == always | {f"{glue}:database/logs", f"{glue}:table/logs/*"}


def test_lake_formation_is_asked_only_where_it_guards_the_tables(translated):
    def asked(guarded: str) -> int:
        resolved = Resolved(translated, **LAKE, Detections="on", LakeFormation=guarded)
        return sum("lakeformation:GetDataAccess" in _list(s["Action"]) for _, s in resolved.allowed())

    assert (asked("true"), asked("false")) == (1, 0)


def test_the_detector_is_told_where_everything_is(translated):
    def environment(**choice) -> dict[str, str]:
        functions = Resolved(translated, **LAKE, Detections="on", **choice).of_type("AWS::Lambda::Function")
        others = functions["TransformS3"]["Environment"]["Variables"]
        own = functions["Detector"]["Environment"]["Variables"]
        return {name: value for name, value in own.items() if others.get(name) != value}

    assert environment() == {
        "POWERTOOLS_SERVICE_NAME": "detect",
        "SLUICE_STATE": "s3://<StateBucket>",
        "SLUICE_WORKGROUP": "<Workgroup>",
        "SLUICE_CATALOG": "AwsDataCatalog",
        "SLUICE_DATABASE": "amazon_security_lake_glue_db_us_east_1",
        "SLUICE_TOPIC": "<FindingsTopic>",
        "SLUICE_FINDINGS": "s3://<StagingBucket>/sluice-findings",
    }
    own = environment(DetectionsDatabase="logs", RulesLocation="s3://settings/rules/", FindingsTopicArn=TOPIC)
    assert (own["SLUICE_DATABASE"], own["SLUICE_RULES"], own["SLUICE_TOPIC"]) == (
        "logs",
        "s3://settings/rules/",
        TOPIC,
    )


def test_findings_come_into_the_lake_where_the_way_in_knows_them(translated):
    def place(**choice) -> str | None:
        resolved = Resolved(translated, **LAKE, Detections="on", **choice)
        detector = resolved.of_type("AWS::Lambda::Function")["Detector"]
        location = detector["Environment"]["Variables"].get("SLUICE_FINDINGS")
        files = "/sluice-findings/*"
        written = [
            statement["Resource"].removeprefix("arn:aws:s3:::").removesuffix("/*")
            for holder, statement in resolved.allowed()
            if "s3:PutObject" in _list(statement["Action"]) and str(statement["Resource"]).endswith(files)
        ]
        assert written == ([location.removeprefix("s3://")] if location else [])
        return location

    assert place() == "s3://<StagingBucket>/sluice-findings"
    assert place(StagingBucketName="logs") == "s3://logs/sluice-findings"
    own = {"SourcesConfiguration": "s3://settings/sources.json", "StagingPrefix": "raw/"}
    assert place(**own, FindingsInLake="on") == "s3://<StagingBucket>/raw/sluice-findings"
    for choice in (
        {"FindingsInLake": "off"},
        {"Inputs": "kinesis", "FindingsInLake": "on"},
        {"SourcesConfiguration": "s3://settings/sources.json"},
        {"StagingPrefix": "raw/"},
    ):
        assert place(**choice) is None, choice


def test_the_detector_may_publish_to_its_topic_and_no_other(translated):
    def publishes(**choice) -> list:
        allowed = Resolved(translated, **LAKE, Detections="on", **choice).allowed()
        return [statement["Resource"] for _, statement in allowed if "sns:Publish" in _list(statement["Action"])]

    assert publishes() == ["<FindingsTopic>"]
    assert publishes(FindingsTopicArn=TOPIC) == [TOPIC]


def test_the_topic_is_fifo_where_that_is_asked_for(translated):
    def topic(**choice) -> dict:
        return Resolved(translated, **LAKE, Detections="on", **choice).of_type("AWS::SNS::Topic")["FindingsTopic"]

    fifo = topic(FindingsTopicType="fifo")
    assert (fifo["FifoTopic"], fifo["TopicName"]) == (True, "sluice-findings.fifo")
    assert topic() == {"KmsMasterKeyId": "alias/aws/sns"}
    assert topic(KmsKeyArn=KEY) == {"KmsMasterKeyId": KEY}


def test_the_ends_of_the_workgroups_queries_and_of_no_others_reach_the_function(translated):
    resolved = Resolved(translated, **LAKE, Detections="on")
    rule = resolved.of_type("AWS::Events::Rule")["QueriesRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.athena"],
        "detail-type": ["Athena Query State Change"],
        "detail": {"workgroupName": ["<Workgroup>"], "currentState": ["SUCCEEDED", "FAILED", "CANCELLED"]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == ["<Detector.Arn>"]
    permission = resolved.of_type("AWS::Lambda::Permission")["QueriesRuleInvokes"]
    assert permission["SourceArn"] == "<QueriesRule.Arn>"


def test_an_event_that_the_detector_gives_up_is_kept_with_an_alarm(translated):
    resolved = Resolved(translated, **LAKE, Detections="on")
    [invoke] = resolved.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert invoke["DestinationConfig"]["OnFailure"]["Destination"] == "<FailedRunsQueue.Arn>"
    assert invoke["MaximumRetryAttempts"] == 2
    [target] = resolved.of_type("AWS::Events::Rule")["QueriesRule"]["Targets"]
    assert target["DeadLetterConfig"]["Arn"] == "<FailedRunsQueue.Arn>"
    assert _alarm(resolved, "<FailedRunsQueue.QueueName>")["Threshold"] == 0


def test_marks_of_what_was_published_keep_their_earlier_versions_and_never_expire(translated):
    bucket = Resolved(translated, **LAKE, Detections="on").of_type("AWS::S3::Bucket")["StateBucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert not any("ExpirationInDays" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])


def test_results_of_queries_expire(translated):
    resolved = Resolved(translated, **LAKE, Detections="on", ResultsRetentionDays=3)
    [rule] = resolved.of_type("AWS::S3::Bucket")["ResultsBucket"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == "3"


def test_alarms_go_to_the_topic_where_there_is_one(translated):
    topic = "arn:aws:sns:us-east-1:123456789012:soc"
    alarms = Resolved(translated, **LAKE, AlarmTopicArn=topic).of_type("AWS::CloudWatch::Alarm").values()
    assert alarms
    assert [alarm["AlarmActions"] for alarm in alarms] == [[topic]] * len(alarms)
    silent = Resolved(translated, **LAKE).of_type("AWS::CloudWatch::Alarm").values()
    assert [alarm["AlarmActions"] for alarm in silent] == [[]] * len(alarms)


def test_every_parameter_is_used_and_offered_in_a_group(translated):
    groups = translated["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    offered = [name for group in groups for name in group["Parameters"]]
    assert sorted(offered) == sorted(translated["Parameters"])
    body = repr((translated["Resources"], translated["Conditions"], translated["Outputs"]))
    for name in translated["Parameters"]:
        assert f"'{name}'" in body or f"${{{name}}}" in body, name


def _list(value) -> list:
    return value if isinstance(value, list) else [value]


def _alarm(resolved: Resolved, dimension: str) -> dict:
    [alarm] = [
        a
        for a in resolved.of_type("AWS::CloudWatch::Alarm").values()
        if a["Dimensions"][0]["Value"] == dimension and a["MetricName"].startswith("ApproximateNumber")
    ]
    return alarm


def _readable(resolved: Resolved) -> set[str]:
    return {
        resource
        for holder, statement in resolved.allowed()
        if holder == "TransformS3Role" and "s3:GetObject" in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }

-- Whole tables, counts and groups.
SELECT count(*) AS n, count(DISTINCT eventday) AS days, min("time") AS first, max("time") AS last
FROM "{database}"."aws_cloudtrail_6003";
SELECT api.operation AS operation, count(*) AS n FROM "{database}"."aws_cloudtrail_6003" GROUP BY 1 ORDER BY 2 DESC, 1;
SELECT accountid, eventday, count(*) AS n FROM "{database}"."aws_cloudtrail_3002" GROUP BY accountid, eventday ORDER BY 1, 2;
SELECT class_uid, activity_name, count(*) AS n
FROM (SELECT class_uid, activity_name FROM "{database}"."aws_cloudtrail_6003"
      UNION ALL SELECT class_uid, activity_name FROM "{database}"."aws_cloudtrail_3001"
      UNION ALL SELECT class_uid, activity_name FROM "{database}"."aws_cloudtrail_3002")
GROUP BY 1, 2 ORDER BY 1, 2;
-- Times.
SELECT "time", time_dt, date_trunc('hour', time_dt) AS hour FROM "{database}"."aws_cloudtrail_3001" ORDER BY "time", metadata.uid;
SELECT count(*) AS n FROM "{database}"."aws_cloudtrail_6003"
WHERE time_dt >= from_iso8601_timestamp('2025-03-03T08:30:00Z') AND time_dt < TIMESTAMP '2025-03-03 09:30:00';
SELECT CAST(from_unixtime("time" / 1000) AS varchar) AS t FROM "{database}"."aws_cloudtrail_3001" ORDER BY "time", metadata.uid LIMIT 5;
-- Texts.
SELECT api.operation, lower(api.operation), length(http_request.user_agent), substr(api.operation, 1, 3)
FROM "{database}"."aws_cloudtrail_3001" ORDER BY metadata.uid;
SELECT metadata.uid FROM "{database}"."aws_cloudtrail_6003" WHERE api.operation LIKE 'Describe%' AND api.service.name NOT LIKE 'ec2%' ORDER BY 1;
SELECT count(*) AS n FROM "{database}"."aws_cloudtrail_6003" WHERE regexp_like(http_request.user_agent, '(?i)kali|terraform');
SELECT regexp_extract(actor.user.uid, 'user/(.+)$', 1) AS name, count(*) AS n
FROM "{database}"."aws_cloudtrail_3001" GROUP BY 1 ORDER BY 1 NULLS FIRST;
-- NULL logic and conditions.
SELECT COALESCE(src_endpoint.ip, src_endpoint.domain) AS source, api.response.error IS NULL AS fine, count(*) AS n
FROM "{database}"."aws_cloudtrail_6003" GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS n FROM "{database}"."aws_cloudtrail_6003" WHERE NOT (api.response.error = 'AccessDenied');
SELECT count_if(api.response.error IS NOT NULL) AS failed, count(api.response.error) AS errors, 7 / 2 AS half, 7 % 4 AS rest
FROM "{database}"."aws_cloudtrail_6003";
-- Maps, arrays and rows.
SELECT element_at(unmapped, 'readOnly') AS read_only, count(*) AS n FROM "{database}"."aws_cloudtrail_6003" GROUP BY 1 ORDER BY 1;
SELECT metadata.uid, cardinality(resources) AS n, element_at(resources, 1).uid AS first
FROM "{database}"."aws_cloudtrail_6003" WHERE resources IS NOT NULL ORDER BY 1;
SELECT r.type, count(*) AS n FROM "{database}"."aws_cloudtrail_6003" CROSS JOIN UNNEST(resources) AS r(owner, type, uid)
GROUP BY 1 ORDER BY 1;
SELECT metadata.uid FROM "{database}"."aws_cloudtrail_6003"
WHERE any_match(resources, r -> r.type = 'AWS::KMS::Key') ORDER BY 1;
SELECT count(*) AS n FROM "{database}"."aws_cloudtrail_3002"
WHERE any_match(observables, o -> o.type_id = 2 AND o.value LIKE '198.51.100.%');
-- JSON.
SELECT json_extract_scalar(api.request.data, '$.userName') AS name FROM "{database}"."aws_cloudtrail_3001" ORDER BY metadata.uid;
SELECT json_format(CAST(api AS JSON)) AS api FROM "{database}"."aws_cloudtrail_3001" ORDER BY metadata.uid;
SELECT json_format(CAST(metadata AS JSON)) AS about, json_format(CAST(unmapped AS JSON)) AS unmapped
FROM "{database}"."aws_cloudtrail_3002" ORDER BY metadata.uid;
SELECT json_format(CAST(resources AS JSON)) AS resources FROM "{database}"."aws_cloudtrail_6003" ORDER BY metadata.uid;
-- Windows and joins.
SELECT metadata.uid, row_number() OVER (PARTITION BY actor.user.uid ORDER BY "time", metadata.uid) AS nth
FROM "{database}"."aws_cloudtrail_3001" ORDER BY 1;
SELECT a.metadata.uid AS change, count(*) AS n
FROM "{database}"."aws_cloudtrail_3001" a JOIN "{database}"."aws_cloudtrail_3002" b
  ON a.actor.user.uid = b.actor.user.uid AND b."time" <= a."time" GROUP BY 1 ORDER BY 1;
-- Sysmon and the firewall.
SELECT process.file.name AS name, count(*) AS n FROM "{database}"."windows_sysmon_1007" GROUP BY 1 ORDER BY 1;
SELECT dst_endpoint.port, traffic.bytes FROM "{database}"."aws_nfw_4001" WHERE traffic.bytes > 100000 ORDER BY 2, 1;
SELECT metadata.event_code, count(*) AS n FROM "{database}"."aws_nfw_4001"
WHERE try_cast(src_endpoint.ip AS IPADDRESS) IS NOT NULL AND contains('10.20.0.0/16', CAST(src_endpoint.ip AS IPADDRESS))
GROUP BY 1 ORDER BY 1;
SELECT json_format(CAST(process AS JSON)) AS process FROM "{database}"."windows_sysmon_1007" ORDER BY "time", metadata.uid;

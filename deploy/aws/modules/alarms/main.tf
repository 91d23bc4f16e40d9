# Who is told, what is told, and a dashboard with the same metrics.

resource "aws_sns_topic" "this" {
  for_each          = toset(["critical", "warning"])
  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "this" {
  for_each  = var.email == "" ? {} : aws_sns_topic.this
  topic_arn = each.value.arn
  protocol  = "email"
  endpoint  = var.email
}

locals {
  ours = { Environment = var.environment }

  # What the program and the instances publish, and what AWS measures itself.
  alarms = merge(
    {
      latency = {
        severity = "warning", namespace = var.metric_namespace, metric = "GameLatency", dimensions = local.ours, statistic = "Average"
        above    = true, threshold = 100, minutes = 2, missing = "notBreaching", text = "Inputs take more than 100 ms for 2 minutes"
      }
      errors = {
        severity = "warning", namespace = var.metric_namespace, metric = "Errors", dimensions = local.ours, statistic = "Sum"
        above    = true, threshold = 600, minutes = 1, missing = "notBreaching", text = "Clients get more than 10 errors a second"
      }
      connections = {
        severity = "warning", namespace = var.metric_namespace, metric = "ActiveConnections", dimensions = local.ours, statistic = "Sum"
        above    = false, threshold = 10, minutes = 5, missing = "breaching", text = "Fewer than 10 connections for 5 minutes"
      }
    },
    { for name, group in var.groups : "cpu-${name}" => {
      severity = "warning", namespace = "AWS/EC2", metric = "CPUUtilization", dimensions = { AutoScalingGroupName = group }, statistic = "Average"
      above    = true, threshold = 80, minutes = 5, missing = "notBreaching", text = "CPU of ${name}s over 80 %"
    } },
    { for name, id in var.nats_instances : "cpu-${name}" => {
      severity = "warning", namespace = "AWS/EC2", metric = "CPUUtilization", dimensions = { InstanceId = id }, statistic = "Average"
      above    = true, threshold = 80, minutes = 5, missing = "breaching", text = "CPU of ${name} over 80 %, or no measurement"
    } },
    var.front == null ? {} : { targets = {
      severity   = "critical", namespace = "AWS/NetworkELB", metric = "HealthyHostCount", statistic = "Minimum"
      dimensions = { LoadBalancer = var.front.balancer, TargetGroup = var.front.target_group }
      above      = false, threshold = 2, minutes = 1, missing = "breaching", text = "Fewer than two edges are ready"
    } },
    var.database == "" ? {} : {
      database-cpu = {
        severity = "warning", namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.database }, statistic = "Average"
        above    = true, threshold = 80, minutes = 5, missing = "notBreaching", text = "CPU of the archive's database over 80 %"
      }
      database-space = {
        severity = "critical", namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.database }, statistic = "Minimum"
        above    = false, threshold = 5368709120, minutes = 5, missing = "breaching", text = "The archive's database has less than 5 GiB left"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this[each.value.severity].arn]
  ok_actions          = [aws_sns_topic.this[each.value.severity].arn]
}

locals {
  # Title, unit, and lines: namespace, metric, dimensions as a list, statistic.
  widgets = concat(
    [
      { title = "Connections", lines = [[var.metric_namespace, "ActiveConnections", "Environment", var.environment, { stat = "Sum" }]] },
      { title = "Latency of inputs, in ms", lines = [for stat in ["p50", "p99"] : [var.metric_namespace, "GameLatency", "Environment", var.environment, { stat = stat }]] },
      { title = "Inputs", lines = [[var.metric_namespace, "PlayerActions", "Environment", var.environment, { stat = "Sum" }]] },
      { title = "Errors", lines = [[var.metric_namespace, "Errors", "Environment", var.environment, { stat = "Sum" }]] },
      { title = "CPU", lines = concat(
        [for name, group in var.groups : ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName", group, { stat = "Average", label = name }]],
        [for name, id in var.nats_instances : ["AWS/EC2", "CPUUtilization", "InstanceId", id, { stat = "Average", label = name }]],
      ) },
      { title = "Memory", lines = [for name, group in var.groups : [var.metric_namespace, "mem_used_percent", "AutoScalingGroupName", group, { stat = "Average", label = name }]] },
      { title = "Instances", lines = [for name, group in var.groups : ["AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", group, { stat = "Average", label = name }]] },
    ],
    var.front == null ? [] : [
      { title = "Ready edges", lines = [["AWS/NetworkELB", "HealthyHostCount", "LoadBalancer", var.front.balancer, "TargetGroup", var.front.target_group, { stat = "Minimum" }]] },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for i, widget in local.widgets : {
      type   = "metric"
      x      = 12 * (i % 2)
      y      = 6 * floor(i / 2)
      width  = 12
      height = 6
      properties = {
        title   = widget.title
        region  = var.region
        view    = "timeSeries"
        period  = 60
        metrics = widget.lines
      }
    }]
  })
}

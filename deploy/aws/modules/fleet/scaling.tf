# Up at 70 % CPU for 5 minutes, at 80 % memory for 3 minutes, at 80 % of the connections. Down by one when CPU is under 30 % for
# 15 minutes and connections are under 40 %, at most every 30 minutes. Each scale-down drains.

locals {
  # Instances of edges publish ActiveConnections; its average is that of an instance, because each is one sample a minute.
  by_connections = var.max_connections > 0

  connections = {
    metric_name = "ActiveConnections"
    namespace   = var.metric_namespace
    stat        = "Average"
    dimensions  = { Environment = var.environment }
  }
  cpu = {
    metric_name = "CPUUtilization"
    namespace   = "AWS/EC2"
    stat        = "Average"
    dimensions  = { AutoScalingGroupName = local.full }
  }
}

resource "aws_autoscaling_policy" "up" {
  name                      = "${local.full}-up"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "StepScaling"
  adjustment_type           = "PercentChangeInCapacity"
  min_adjustment_magnitude  = 1
  estimated_instance_warmup = 180
  step_adjustment {
    scaling_adjustment          = 25
    metric_interval_lower_bound = "0"
  }
}

resource "aws_autoscaling_policy" "down" {
  name                   = "${local.full}-down"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "SimpleScaling"
  adjustment_type        = "ChangeInCapacity"
  scaling_adjustment     = -1
  cooldown               = 1800
}

resource "aws_cloudwatch_metric_alarm" "cpu" {
  alarm_name          = "${local.full}-cpu-up"
  alarm_description   = "CPU over 70 % for 5 minutes: one more ${var.part}"
  namespace           = local.cpu.namespace
  metric_name         = local.cpu.metric_name
  dimensions          = local.cpu.dimensions
  statistic           = local.cpu.stat
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 70
  period              = 60
  evaluation_periods  = 5
  alarm_actions       = [aws_autoscaling_policy.up.arn]
}

resource "aws_cloudwatch_metric_alarm" "memory" {
  alarm_name          = "${local.full}-memory-up"
  alarm_description   = "Memory over 80 % for 3 minutes: one more ${var.part}"
  namespace           = var.metric_namespace
  metric_name         = "mem_used_percent"
  dimensions          = { AutoScalingGroupName = local.full }
  statistic           = "Average"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 80
  period              = 60
  evaluation_periods  = 3
  alarm_actions       = [aws_autoscaling_policy.up.arn]
}

resource "aws_cloudwatch_metric_alarm" "connections" {
  count               = local.by_connections ? 1 : 0
  alarm_name          = "${local.full}-connections-up"
  alarm_description   = "Over 80 % of the connections: one more ${var.part}"
  namespace           = local.connections.namespace
  metric_name         = local.connections.metric_name
  dimensions          = local.connections.dimensions
  statistic           = local.connections.stat
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 0.8 * var.max_connections
  period              = 60
  evaluation_periods  = 1
  alarm_actions       = [aws_autoscaling_policy.up.arn]
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  alarm_name          = "${local.full}-down"
  alarm_description   = "CPU under 30 % for 15 minutes${local.by_connections ? ", and connections under 40 %" : ""}: one ${var.part} less"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 15
  alarm_actions       = [aws_autoscaling_policy.down.arn]
  # Without measurements nothing is ended.
  treat_missing_data = "notBreaching"

  metric_query {
    id          = "idle"
    expression  = local.by_connections ? "IF(cpu < 30 AND connections < ${0.4 * var.max_connections}, 1, 0)" : "IF(cpu < 30, 1, 0)"
    label       = "1 while a ${var.part} less would do"
    return_data = true
  }
  metric_query {
    id = "cpu"
    metric {
      namespace   = local.cpu.namespace
      metric_name = local.cpu.metric_name
      dimensions  = local.cpu.dimensions
      stat        = local.cpu.stat
      period      = 60
    }
  }
  dynamic "metric_query" {
    for_each = local.by_connections ? [local.connections] : []
    content {
      id = "connections"
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric_name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = 60
      }
    }
  }
}

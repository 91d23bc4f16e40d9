# A part of Grandstand as a service on Fargate: edges of a small deployment, or the archive. There are no files, so every key of
# the configuration is a variable of the environment, and TLS ends at a balancer.

locals {
  full = "${var.name}-${var.part}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/grandstand/${local.full}-fargate"
  retention_in_days = 14
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = local.full
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

locals {
  container = {
    name                   = var.part
    image                  = var.image
    essential              = true
    command                = [var.part]
    readonlyRootFilesystem = true
    user                   = "10001:10001"
    # Of the drain, with reserve. Fargate kills after 120 s at the latest.
    stopTimeout  = var.drain_s
    environment  = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets      = [for key in var.secret_keys : { name = key, valueFrom = "${var.secret_arn}:${key}::" }]
    portMappings = [for port in var.ports : { containerPort = port, protocol = "tcp" }]
    linuxParameters = {
      initProcessEnabled = false
      capabilities       = { drop = ["ALL"] }
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = var.part
        # A log that cannot be delivered must not stop the process.
        mode = "non-blocking"
      }
    }
  }

  # What the agent of ECS may do before the process starts. The process itself may do nothing in AWS.
  policy = {
    Version = "2012-10-17"
    Statement = [
      { Sid = "Secrets", Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.secret_arn },
      { Sid = "Decrypt", Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn,
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } } },
      { Sid = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.this.arn}:*" },
      { Sid = "Login", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      { Sid = "Image", Effect = "Allow", Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource = var.repository_arn },
    ]
  }
}

resource "aws_iam_role" "execution" {
  name = "${local.full}-execution"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "execution" {
  name   = local.full
  role   = aws_iam_role.execution.id
  policy = jsonencode(local.policy)
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.full
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([local.container])
}

resource "aws_ecs_service" "this" {
  name                               = local.full
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  desired_count                      = var.min_count
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = length(var.targets) > 0 ? 60 : null
  enable_execute_command             = false
  propagate_tags                     = "SERVICE"

  # A build that does not become healthy is taken back.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }
  dynamic "load_balancer" {
    for_each = var.targets
    content {
      target_group_arn = load_balancer.value.arn
      container_name   = var.part
      container_port   = load_balancer.value.port
    }
  }
  lifecycle {
    ignore_changes = [desired_count]
    precondition {
      condition     = var.drain_s <= 120
      error_message = "`drain_s` is ${var.drain_s}, but Fargate kills a task after 120 s; shorten edge.drain_wait_ms and edge.drain_ms."
    }
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.min_count
  max_capacity       = var.max_count
}

resource "aws_appautoscaling_policy" "this" {
  for_each           = { cpu = { metric = "ECSServiceAverageCPUUtilization", target = 60 }, memory = { metric = "ECSServiceAverageMemoryUtilization", target = 70 } }
  name               = "${local.full}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 1800
    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}

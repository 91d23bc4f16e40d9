# Edges or workers on instances of their own: an auto-scaling group that drains an instance before it ends it.

data "aws_ssm_parameter" "image" {
  count = var.image_id == "" ? 1 : 0
  name  = "/aws/service/debian/release/13/latest/${var.architecture}"
}

locals {
  full     = "${var.name}-${var.part}"
  admin    = { edge = 8081, worker = 8082 }[var.part]
  deploy   = "${path.module}/../../.."
  sysctl   = join("/", [local.deploy, "sysctl.d", one(fileset(join("/", [local.deploy, "sysctl.d"]), "*-grandstand.conf"))])
  unit     = "grandstand-${var.part}.service"
  secrets  = compact([var.secret_arn, var.certificate_secret_arn])
  settings = "/usr/local/lib/grandstand/settings"

  # What start and instance read.
  environment = {
    PART               = var.part
    GROUP              = local.full
    REGION             = var.region
    ENVIRONMENT        = var.environment
    NAMESPACE          = var.metric_namespace
    ADMIN              = "http://127.0.0.1:${local.admin}"
    HOOK               = "drain"
    PACKAGE            = var.package
    SECRET             = var.secret_arn
    CERTIFICATE_SECRET = var.certificate_secret_arn
  }

  files = {
    "/etc/sysctl.d/90-grandstand.conf"                     = { content = file(local.sysctl), mode = "0644" }
    "/etc/systemd/system/${local.unit}"                    = { content = file("${local.deploy}/systemd/${local.unit}"), mode = "0644" }
    "/etc/systemd/system/${local.unit}.d/50-aws.conf"      = { content = templatefile("${path.module}/files/unit.conf.tftpl", { part = var.part, drain_s = var.drain_s }), mode = "0644" }
    "/etc/systemd/system/grandstand-instance.service"      = { content = file("${path.module}/files/grandstand-instance.service"), mode = "0644" }
    "/etc/logrotate.d/grandstand"                          = { content = file("${path.module}/files/logrotate"), mode = "0644" }
    "/usr/local/lib/grandstand/start"                      = { content = file("${path.module}/files/start"), mode = "0755" }
    "/usr/local/lib/grandstand/secrets"                    = { content = file("${path.module}/files/secrets"), mode = "0755" }
    "/usr/local/lib/grandstand/instance"                   = { content = file("${path.module}/files/instance"), mode = "0755" }
    (local.settings)                                       = { content = join("", [for name, value in local.environment : "${name}='${value}'\n"]), mode = "0644" }
    "/etc/grandstand/${var.part}.toml"                     = { content = var.config, mode = "0644" }
    "/opt/aws/amazon-cloudwatch-agent/etc/grandstand.json" = { content = local.agent, mode = "0644" }
  }

  agent = jsonencode({
    metrics = {
      namespace = var.metric_namespace
      metrics_collected = {
        mem  = { measurement = ["mem_used_percent"], metrics_collection_interval = 60 }
        disk = { measurement = ["used_percent"], resources = ["/"], metrics_collection_interval = 60 }
      }
      append_dimensions      = { AutoScalingGroupName = "$${aws:AutoScalingGroupName}" }
      aggregation_dimensions = [["AutoScalingGroupName"]]
    }
    logs = {
      logs_collected = {
        files = {
          collect_list = [{
            file_path       = "/var/log/grandstand/${var.part}.log"
            log_group_name  = aws_cloudwatch_log_group.this.name
            log_stream_name = "{instance_id}"
          }]
        }
      }
    }
  })

  user_data = join("\n", ["#cloud-config", yamlencode({
    write_files = [for path, file in local.files : { path = path, permissions = file.mode, content = file.content }]
    runcmd      = ["/usr/local/lib/grandstand/start"]
  })])
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/grandstand/${local.full}"
  retention_in_days = 14
  kms_key_id        = var.kms_key_arn
}

resource "aws_launch_template" "this" {
  name                   = local.full
  image_id               = var.image_id == "" ? data.aws_ssm_parameter.image[0].value : var.image_id
  instance_type          = var.instance_type
  update_default_version = true
  user_data              = base64gzip(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  network_interfaces {
    associate_public_ip_address = false
    security_groups             = [var.security_group_id]
  }

  # IMDSv2 alone: a request that a program is tricked into cannot fetch the role's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type = "gp3"
      volume_size = 20
      encrypted   = "true"
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = local.full, grandstand = var.part }
  }
}

resource "aws_autoscaling_group" "this" {
  name                = local.full
  vpc_zone_identifier = var.subnet_ids
  min_size            = var.min_size
  max_size            = var.max_size
  target_group_arns   = var.target_group_arns
  # Not "ELB": while NATS is away no edge is ready, and replacing all of them would end every connection.
  health_check_type         = "EC2"
  health_check_grace_period = 300
  default_cooldown          = 60
  metrics_granularity       = "1Minute"
  enabled_metrics           = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTerminatingInstances"]
  # The oldest configuration goes first, so that scaling down also replaces.
  termination_policies = ["OldestLaunchTemplate", "ClosestToNextInstanceHour"]

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # The hooks are part of the group, so no instance is ever without them.
  initial_lifecycle_hook {
    name                 = "drain"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    # The script completes the hook when the drain is over. An instance that is dead already goes after this time.
    heartbeat_timeout = var.drain_s + 60
    default_result    = "CONTINUE"
  }

  # A new version of the launch template replaces instances, a few at a time, each after its drain.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 90
      instance_warmup        = "180"
    }
  }

  tag {
    key                 = "grandstand"
    value               = var.part
    propagate_at_launch = true
  }

  lifecycle {
    # The scaling policies own it.
    ignore_changes = [desired_capacity]
    precondition {
      condition     = var.min_size >= 1 && var.min_size <= var.max_size
      error_message = "`min_size` of ${var.part}s must be at least 1 and at most `max_size` (${var.min_size}, ${var.max_size})."
    }
  }
}

# Edges and workers on instances.

mock_provider "aws" {
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

variables {
  name                   = "t"
  environment            = "test"
  part                   = "edge"
  region                 = "eu-central-1"
  account_id             = "123456789012"
  subnet_ids             = ["subnet-0", "subnet-1", "subnet-2"]
  security_group_id      = "sg-0"
  instance_type          = "c7i.xlarge"
  min_size               = 3
  max_size               = 30
  package                = "s3://packages/grandstand.deb"
  config                 = "# config"
  secret_arn             = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/edge"
  certificate_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/certificate"
  kms_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/0"
  drain_s                = 120
  max_connections        = 1000
}

run "edges" {
  command = plan
  module {
    source = "./modules/fleet"
  }
  assert {
    condition     = one([for hook in aws_autoscaling_group.this.initial_lifecycle_hook : hook.heartbeat_timeout > 120 && hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING"])
    error_message = "an instance that ends waits for its drain"
  }
  assert {
    condition     = aws_autoscaling_group.this.health_check_type == "EC2"
    error_message = "while NATS is away no edge is ready; the group must not replace all of them"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.connections[0].threshold == 800 && aws_cloudwatch_metric_alarm.connections[0].metric_name == "ActiveConnections"
    error_message = "more edges at 80 % of the connections"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.cpu.threshold == 70 && aws_cloudwatch_metric_alarm.cpu.evaluation_periods == 5 && aws_cloudwatch_metric_alarm.memory.threshold == 80 && aws_cloudwatch_metric_alarm.memory.evaluation_periods == 3
    error_message = "more edges at 70 % CPU for 5 minutes, or 80 % memory for 3"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.idle.evaluation_periods == 15 && aws_autoscaling_policy.down.cooldown == 1800 && contains([for query in aws_cloudwatch_metric_alarm.idle.metric_query : query.expression], "IF(cpu < 30 AND connections < 400, 1, 0)")
    error_message = "fewer edges under 30 % CPU for 15 minutes and 40 % of the connections, every 30 minutes"
  }
  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv2 alone"
  }
  assert {
    condition     = alltrue([for path in ["/etc/sysctl.d/90-grandstand.conf", "/etc/systemd/system/grandstand-edge.service", "/etc/grandstand/edge.toml"] : strcontains(output.user_data, path)])
    error_message = "an instance gets the settings of the kernel, the unit and the configuration"
  }
  assert {
    condition     = length(aws_launch_template.this.user_data) < 16384
    error_message = "EC2 takes 16 KiB of user data"
  }
}

run "rights" {
  command = plan
  module {
    source = "./modules/fleet"
  }
  assert {
    condition     = alltrue([for s in output.policy.Statement : s.Resource != "*" || contains(["Metrics", "Agent"], s.Sid)])
    error_message = "only metrics and tags, which have no resources, are allowed on all of them"
  }
  assert {
    condition     = alltrue([for s in output.policy.Statement : !anytrue([for action in flatten([s.Action]) : endswith(action, "*")])])
    error_message = "no action is a pattern"
  }
  assert {
    condition     = one([for s in output.policy.Statement : s.Resource if s.Sid == "Package"]) == "arn:aws:s3:::packages/grandstand.deb"
    error_message = "of S3 the package alone"
  }
}

run "workers" {
  command = plan
  module {
    source = "./modules/fleet"
  }
  variables {
    part                   = "worker"
    certificate_secret_arn = ""
    max_connections        = 0
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.connections) == 0 && strcontains(output.user_data, "grandstand-worker.service")
    error_message = "workers have no connections to be scaled by"
  }
}

run "sizes_the_wrong_way_round" {
  command = plan
  module {
    source = "./modules/fleet"
  }
  variables {
    min_size = 5
    max_size = 4
  }
  expect_failures = [aws_autoscaling_group.this]
}

# NATS, security groups, the application load balancer, the database, Fargate and alarms.

mock_provider "aws" {
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

variables {
  name                = "t"
  region              = "eu-central-1"
  environment         = "test"
  vpc_id              = "vpc-0"
  subnet_ids          = ["subnet-0", "subnet-1", "subnet-2"]
  security_group_id   = "sg-0"
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0"
  deletion_protection = true
}

run "nats" {
  command = plan
  module {
    source = "./modules/nats"
  }
  variables {
    zones         = ["a", "b", "c"]
    zone_id       = "Z0"
    zone_name     = "t.internal"
    instance_type = "m7i.xlarge"
    volume_gb     = 100
    package       = "s3://packages/nats-server.deb"
    secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/nats"
  }
  assert {
    condition     = [for volume in aws_ebs_volume.this : volume.availability_zone] == ["a", "b", "c"] && alltrue([for volume in aws_ebs_volume.this : volume.encrypted])
    error_message = "a volume in each zone, encrypted"
  }
  assert {
    condition     = alltrue([for i in range(3) : strcontains(output.config[i], "server_name: \"nats-${i}\"") && strcontains(output.config[i], "max_file_store: 80GB")])
    error_message = "each server has its name, and four fifths of its volume"
  }
  assert {
    condition     = alltrue([for s in output.policy.Statement : s.Resource != "*" && !endswith(s.Action, "*")])
    error_message = "a server may read its package and its secret, and nothing else"
  }
}

run "security_groups" {
  command = plan
  module {
    source = "./modules/security"
  }
  assert {
    condition     = toset([for rule in aws_security_group_rule.public : rule.from_port]) == toset([443])
    error_message = "the internet reaches port 443 of balancers alone"
  }
  assert {
    condition     = alltrue([for rule in concat(values(aws_security_group_rule.in), values(aws_security_group_rule.out)) : rule.from_port == rule.to_port && rule.cidr_blocks == null])
    error_message = "inside, each rule names a port and a group"
  }
}

run "web" {
  command = plan
  module {
    source = "./modules/web"
  }
  variables {
    certificate_arn        = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
    deregistration_delay_s = 120
    log_bucket             = ""
  }
  assert {
    condition     = aws_lb.this.idle_timeout == 3600 && aws_lb.this.drop_invalid_header_fields
    error_message = "WebSockets stay open for an hour"
  }
}

run "database" {
  command = plan
  module {
    source = "./modules/archive"
  }
  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible && aws_db_instance.this.deletion_protection
    error_message = "the database is in two zones, encrypted, private and protected"
  }
}

run "fargate" {
  command = plan
  module {
    source = "./modules/fargate"
  }
  variables {
    part           = "edge"
    image          = "example.com/grandstand:1"
    repository_arn = "arn:aws:ecr:eu-central-1:123456789012:repository/t"
    environment    = { GRANDSTAND_EDGE_EDGE_LISTEN = "0.0.0.0:8080" }
    secret_arn     = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/edge"
    secret_keys    = ["GRANDSTAND_EDGE_AUTH_SECRET"]
    ports          = [8080]
    min_count      = 2
    max_count      = 4
    drain_s        = 120
  }
  assert {
    condition     = output.container.stopTimeout == 120 && output.container.readonlyRootFilesystem && output.container.secrets[0].valueFrom == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/edge:GRANDSTAND_EDGE_AUTH_SECRET::"
    error_message = "a task has the time of its drain, and its secrets by reference"
  }
}

run "fargate_kills_after_120_s" {
  command = plan
  module {
    source = "./modules/fargate"
  }
  variables {
    part           = "edge"
    image          = "example.com/grandstand:1"
    repository_arn = "arn:aws:ecr:eu-central-1:123456789012:repository/t"
    environment    = {}
    secret_arn     = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:t/edge"
    secret_keys    = []
    min_count      = 2
    max_count      = 4
    drain_s        = 121
  }
  expect_failures = [aws_ecs_service.this]
}

run "alarms" {
  command = plan
  module {
    source = "./modules/alarms"
  }
  variables {
    email          = "operators@example.com"
    groups         = { edge = "t-edge", worker = "t-worker" }
    nats_instances = { nats-0 = "i-0" }
    front          = { balancer = "net/t/0", target_group = "targetgroup/t/0" }
    database       = "t-archive"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["latency"].threshold == 100 && aws_cloudwatch_metric_alarm.this["latency"].evaluation_periods == 2
    error_message = "an alarm on latency over 100 ms for two minutes"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["connections"].comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.this["connections"].threshold == 10 && aws_cloudwatch_metric_alarm.this["connections"].evaluation_periods == 5
    error_message = "an alarm on fewer than 10 connections for 5 minutes"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["cpu-edge"].threshold == 80
    error_message = "an alarm on CPU over 80 %"
  }
}

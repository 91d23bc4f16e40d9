# All modules together, with a provider that makes up what AWS would answer. Nothing is created.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
}

variables {
  region  = "eu-central-1"
  package = "s3://packages/grandstand.deb"
  nats    = { package = "s3://packages/nats-server.deb" }
}

run "tls_passes_through" {
  command = plan
  assert {
    condition     = strcontains(output.edge_config, "tls_protocol = true") && strcontains(output.edge_config, "[quic]")
    error_message = "edges behind a balancer that passes TLS on need tls_protocol, and QUIC is on by default"
  }
  assert {
    condition     = !strcontains(output.edge_config, "\nprotocol = true")
    error_message = "the application load balancer sends no PROXY protocol to edge.listen"
  }
  assert {
    condition     = output.nats_urls == "nats://nats-0.grandstand.internal:4222,nats://nats-1.grandstand.internal:4222,nats://nats-2.grandstand.internal:4222"
    error_message = "edges and workers need the addresses of all three servers"
  }
}

run "tls_ends_at_the_balancer" {
  command = plan
  variables {
    terminate_tls   = true
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
  }
  assert {
    condition     = strcontains(output.edge_config, "\nprotocol = true") && !strcontains(output.edge_config, "[tls]") && !strcontains(output.edge_config, "[quic]")
    error_message = "edges behind a balancer that ends TLS have no certificate and need the PROXY protocol at edge.listen"
  }
}

run "everything" {
  command = plan
  variables {
    web_certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
    archive             = true
    email               = "operators@example.com"
    log_bucket          = "logs"
    dns                 = { zone_id = "Z0", play = "play.example.com", quic = "quic.example.com", web = "api.example.com" }
  }
  assert {
    condition     = length(module.dns) == 1 && length(module.archive_service) == 1 && length(module.web) == 1
    error_message = "names, archive and application load balancer were asked for"
  }
}

run "small_on_fargate" {
  command = plan
  variables {
    terminate_tls   = true
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
    edges           = { on = "fargate", min = 2, max = 4, connections = 5000 }
  }
  assert {
    condition     = length(module.edges) == 0 && length(module.edges_on_fargate) == 1
    error_message = "edges run on Fargate alone"
  }
}

run "fargate_needs_a_balancer_that_ends_tls" {
  command = plan
  variables {
    edges = { on = "fargate" }
  }
  expect_failures = [terraform_data.combinations]
}

run "termination_needs_a_certificate" {
  command = plan
  variables {
    terminate_tls = true
  }
  expect_failures = [terraform_data.combinations]
}

run "two_protocols_at_one_listener" {
  command = plan
  variables {
    terminate_tls       = true
    certificate_arn     = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
    web_certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  }
  expect_failures = [terraform_data.combinations]
}

run "bad_values" {
  command = plan
  variables {
    name    = "Grand Stand"
    package = "https://example.com/grandstand.deb"
    edges   = { on = "lambda" }
  }
  expect_failures = [var.name, var.package, var.edges]
}

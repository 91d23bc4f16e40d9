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
}

variables {
  region              = "eu-central-1"
  balancer_policy_arn = "arn:aws:iam::123456789012:policy/balancers"
}

run "private" {
  command = plan
  assert {
    condition     = output.cluster == "grandstand-eks"
    error_message = "the cluster has the prefix"
  }
}

run "cluster" {
  command = plan
  module {
    source = "../modules/kubernetes"
  }
  variables {
    name        = "t"
    subnet_ids  = ["subnet-0", "subnet-1", "subnet-2"]
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0"
  }
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "the API of the cluster is reached from the VPC alone, unless networks are named"
  }
  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.account)) == toset(["volumes", "balancers"])
    error_message = "two service accounts act in AWS"
  }
}

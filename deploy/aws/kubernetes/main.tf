# A cluster of EKS in a VPC of its own, instead of the instances of the folder above. Grandstand, NATS included, is deployed there
# by deploy/kubernetes.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

module "secrets" {
  source     = "../modules/secrets"
  name       = var.name
  region     = var.region
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
}

module "network" {
  source      = "../modules/network"
  name        = var.name
  region      = var.region
  cidr        = var.cidr
  zones       = var.zones
  kms_key_arn = module.secrets.kms_key_arn
}

module "registry" {
  source      = "../modules/registry"
  name        = var.name
  kms_key_arn = module.secrets.kms_key_arn
}

module "kubernetes" {
  source              = "../modules/kubernetes"
  name                = var.name
  partition           = data.aws_partition.this.partition
  subnet_ids          = module.network.private_subnet_ids
  kms_key_arn         = module.secrets.kms_key_arn
  balancer_policy_arn = var.balancer_policy_arn
  public_access_cidrs = var.public_access_cidrs
  instance_type       = var.instance_type
  min_size            = var.min_size
  max_size            = var.max_size
}

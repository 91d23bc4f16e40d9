variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "partition" {
  description = "Partition of the provider: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of the secrets in the cluster, and of its log."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes; at least 1.34 for the action sleep of preStop."
  type        = string
  default     = "1.34"
}

variable "instance_type" {
  description = "Type of nodes."
  type        = string
  default     = "c7i.2xlarge"
}

variable "min_size" {
  description = "Least nodes."
  type        = number
  default     = 3
}

variable "max_size" {
  description = "Most nodes."
  type        = number
  default     = 12
}

variable "public_access_cidrs" {
  description = "Networks that reach the API of the cluster from outside; empty: none, and it is reached from the VPC alone."
  type        = list(string)
  default     = []
}

variable "balancer_policy_arn" {
  description = "Policy of the AWS Load Balancer Controller, which its documentation publishes for each release."
  type        = string
}

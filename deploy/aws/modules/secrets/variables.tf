variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "account_id" {
  description = "Account of the provider."
  type        = string
}

variable "partition" {
  description = "Partition of the provider: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

package io.swagger.annotations;

/** See ApiModel. */
public @interface ApiModelProperty {
    String value() default "";

    String example() default "";

    boolean required() default false;
}
